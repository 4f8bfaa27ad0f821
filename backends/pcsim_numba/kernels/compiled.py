"""How this backend's functions are compiled: inlined into a few entries, which are kept on disk."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numba.extending
from numba import types

from pcsim.engine import lowering

FEATURES = llvm.get_host_cpu_features()
VECTOR_BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16
"""Of the processor's widest vectors."""

PURE: dict[str, Any] = {"error_model": "numpy", "nogil": True}
"""No contraction of a·b + c beyond what is written: s − a·f must be zero where s was stored as a·f."""

WITHIN: dict[str, Any] = {**PURE, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Called by compiled functions alone."""

_njit: Callable[..., Any] = numba.njit
_names: set[str] = set()

intrinsic: Callable[..., Any] = numba.extending.intrinsic
"""Give a function in instructions of LLVM."""


def by_name(**options: Any) -> Callable[..., Any]:
    """Return a decorator that compiles functions as parts of others; raise NameError for a name that is taken.

    A symbol of what is kept on disk is a name, types of arguments and a number that Numba counts in every process anew.
    Two functions of one name, made by another, could therefore have one symbol in entries of different processes, of
    which the one that is loaded first would serve both.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        name = f"{function.__module__}.{function.__qualname__}"
        if name in _names:
            raise NameError(f"{name} is the name of two functions: give each its own, as `named` does")
        _names.add(name)
        return _njit(**options, **WITHIN)(function)

    return compiled


def named(*what: str) -> Callable[..., Any]:
    """Return a decorator that tells a function from others that were made by the same one."""

    def renamed(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__qualname__ = "_".join((function.__qualname__, *what))
        return function

    return renamed


part = by_name()
"""Compile a function as a part of others."""

inlined = by_name(forceinline=True)
"""Compile a function into the loops that call it, so that they become vector instructions."""

summing = by_name(fastmath={"reassoc", "contract"})
"""Compile a function whose sums may be taken in vectors; the order then depends on their length alone."""


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, or load it if it was compiled before."""
    compiled = _njit(cache=True, no_cfunc_wrapper=True, **PURE)(function)
    file = getattr(compiled._cache, "_cache_file", None)
    if file is not None:  # where there is a folder to write in
        file.save = partial(save_by_key, file)
    return compiled


def save_by_key(file: Any, key: Any, data: Any) -> None:
    """Keep what was compiled in a file that is named after its key, in a cache file of Numba's.

    Numba counts its files, and two processes that compile for other types at the same time take the same number: the
    index then leads from one's types to the other's code.
    """
    name = file._data_name(int(sha256(file._dump(key)).hexdigest()[:15], 16))
    file._save_data(name, data)
    index = file._load_index()
    if index.get(key) != name:
        file._save_index({**index, key: name})


def _stamp() -> int:
    sources = [Path(lowering.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    return int(sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12], 16)


STAMP = _stamp()
"""Tells the sources of kernels apart, and the core's numbers for what there is to choose from.

Numba's cache looks at the source of the entry alone, and what it closes over.
"""


def _staying_apart(*attributes: str) -> Any:
    @intrinsic
    def stay_apart(typing: Any):
        del typing

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del signature, arguments
            builder.function.attributes.add("noinline")
            # llvmlite knows no attributes that are strings, and `add` refuses them.
            builder.function.attributes.update(attributes)
            return context.get_dummy_value()

        return types.void(), emit

    return stay_apart


stay_apart = _staying_apart()
"""Keep the function that calls this from being copied into its callers: there are many, and it is long."""

stay_apart_and_wide = _staying_apart(f'"prefer-vector-width"="{8 * VECTOR_BYTES}"')
"""The same, and let its loops, which are to be long, take the widest vectors: LLVM would take half of 512 bits.

In loops of a few dozen numbers, as over the channels of an image, most would then be left for the loop's end.
"""
