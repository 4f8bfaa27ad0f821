"""How this backend's functions are compiled: inlined into a few entries, which are kept on disk."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numba.extending
from numba import types

from pcsim.engine import lowering

PURE: dict[str, Any] = {"error_model": "numpy", "nogil": True}
"""No contraction of a·b + c beyond what is written: s − a·f must be zero where s was stored as a·f."""

WITHIN: dict[str, Any] = {**PURE, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Called by compiled functions alone."""

_njit: Callable[..., Any] = numba.njit

intrinsic: Callable[..., Any] = numba.extending.intrinsic
"""Give a function in instructions of LLVM."""

part: Callable[..., Any] = _njit(**WITHIN)
"""Compile a function as a part of others."""

inlined: Callable[..., Any] = _njit(forceinline=True, **WITHIN)
"""Compile a function into the loops that call it, so that they become vector instructions."""

summing: Callable[..., Any] = _njit(fastmath={"reassoc", "contract"}, **WITHIN)
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


@intrinsic
def stay_apart(typing: Any):
    """Keep the function that calls this from being copied into its callers: there are many, and it is long."""
    del typing

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature, arguments
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), emit
