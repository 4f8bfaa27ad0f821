"""Borrowed tuples: a named tuple that functions pass on as one pointer, its arrays neither copied nor counted."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model

from pcsim_numba.kernels.compiled import intrinsic


class Borrowed(types.Type):
    """What stands for a named tuple that a calling function keeps."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole
        super().__init__(name=f"borrowed({whole})")


@intrinsic
def borrowed(typing: Any, whole: Any):
    """Return a named tuple for others to look at, for as long as the function that lends it runs.

    A tuple of many arrays is hundreds of numbers, and to count who holds an array takes longer than a short row of it.
    """
    del typing

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return cgutils.alloca_once_value(builder, arguments[0])

    return Borrowed(whole)(whole), emit


@register_model(Borrowed)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, manager.lookup(kind.whole).get_value_type().as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = Borrowed

    def generic_resolve(self, typ: Any, attr: str) -> Any:
        """Return the type of a field."""
        return typ.whole[typ.whole.fields.index(attr)] if attr in typ.whole.fields else None


@lower_getattr_generic(Borrowed)
def _field(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    position = kind.whole.fields.index(name)
    field = kind.whole[position]
    found = builder.load(cgutils.gep_inbounds(builder, value, 0, position))
    if isinstance(field, types.Array):
        array = context.make_array(field)(context, builder, found)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        found = array._getvalue()
    return impl_ret_borrowed(context, builder, field, found)
