"""Unchecked slices: a part of a flat array as an array of its own, at no cost."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pcsim_numba.kernels.compiled import intrinsic


@intrinsic
def unchecked_slice(typing: Any, array: Any, at: Any, count: Any):
    """Return `count` numbers of a flat array from `at` on, which must be there.

    Unlike a slice it checks and counts nothing, and unlike array[at + k] it leaves no doubt that an index is not
    negative: loops over it become vector instructions. It must not outlive the array.
    """
    del typing
    index = types.intp
    return array(array, index, index), _emit


def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kind = signature.args[0]
    whole = context.make_array(kind)(context, builder, arguments[0])
    found = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    found.data = builder.gep(whole.data, [arguments[1]], source_etype=context.get_data_type(kind.dtype))
    found.itemsize = size
    found.nitems = arguments[2]
    found.shape = cgutils.pack_array(builder, [arguments[2]])
    found.strides = cgutils.pack_array(builder, [size])
    found.meminfo = ir.Constant(found.meminfo.type, None)
    found.parent = ir.Constant(found.parent.type, None)
    return found._getvalue()
