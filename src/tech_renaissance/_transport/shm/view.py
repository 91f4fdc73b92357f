"""Tensors that are views of shared memory. Making one costs one call into numpy and one into torch."""

import functools
import operator
import sys
from typing import Any, Callable, NamedTuple, Optional, Protocol, Sequence, Tuple

from ..._base.tensor import DType, Library, canonical_bools, native_dtype
from .segment import Mapping


@functools.lru_cache(maxsize=None)
def alias_maker(library: Library) -> Callable[[Any], Any]:
    """A function that makes another tensor on the same memory. Changing its shape, or having it
    require gradients, affects no other.
    """
    if library == "numpy":
        return operator.itemgetter(...)  # in half the time of its method view
    try:
        sys.modules["torch"].empty(1).data.unsqueeze_(0)
    except RuntimeError:  # in an older torch the shape of the fastest alias cannot be changed
        return lambda view: view.view_as(view)
    return operator.attrgetter("data")


class _Form(NamedTuple):
    """How to make a view of a dtype: numpy's element type for the bytes, and torch's dtype to
    view them as, if that differs.
    """

    carrier: Any
    torch_dtype: Optional[Any]


def view_of(
    window: Mapping, start: int, dtype: DType, shape: Sequence[int], library: Library
) -> Tuple[Any, Any]:
    """A tensor on a window's memory from ``start`` on, and an object that lives exactly as long as
    anything refers to that memory.

    The object is a numpy array, which a weak reference can watch; every tensor, view or slice made from the
    tensor keeps it alive. Raises FormatError ``unsupported_dtype``.
    """
    form = _form(dtype, library)
    numpy = sys.modules["numpy"]
    memory = numpy.ndarray(shape, form.carrier, window.bytes, start)
    if library == "numpy":
        return canonical_bools(memory, dtype), memory
    torch = sys.modules["torch"]
    try:
        tensor = torch.from_numpy(memory)
    except RuntimeError:  # this torch does not work with this numpy, but any torch can read a buffer
        return _from_buffer(torch, window, start, dtype, shape)
    if form.torch_dtype is not None:
        tensor = tensor.view(form.torch_dtype)
    return (canonical_bools(tensor, dtype) if dtype.name == "BOOL" else tensor), memory


class Use(Protocol):
    """Knows whether anything but a view itself uses the view's memory."""

    def is_sole(self) -> bool:
        """Whether only the view and this object use it."""
        ...


def use_of(view: Any, dtype: DType) -> Optional[Use]:
    """The Use of a view; None if its use cannot be determined. When ``is_sole`` is called, only one
    variable may refer to the view.
    """
    if type(view) is sys.modules["numpy"].ndarray:
        return ArrayUse(view) if dtype.name != "BOOL" else None  # a BOOL view may be a copy
    return StorageUse.of(view)


class ArrayUse:
    """The Use of a numpy array: whatever shares its memory refers to it."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def references(self) -> int:
        """How many references to the array there are, including this object's own and those from counting."""
        return sys.getrefcount(self._array)

    def is_sole(self) -> bool:
        """See Use."""
        return sys.getrefcount(self._array) == _SOLE_REFERENCES


def _count_sole_references() -> int:
    one_variable = object()
    return ArrayUse(one_variable).references()


_SOLE_REFERENCES = _count_sole_references()


class StorageUse:
    """The Use of a torch view: slices, aliases and storage objects may share its memory."""

    __slots__ = ("_count", "_own_references", "_own_uses", "_storage", "_storage_number")

    def __init__(self, view: Any, count: Any) -> None:
        """Make it while nobody else has the view yet."""
        self._storage = view.untyped_storage()
        self._storage_number = self._storage._cdata  # noqa: SLF001 - the counting function needs it
        self._count = count
        self._own_references = sys.getrefcount(self._storage)
        self._own_uses = count(self._storage_number)

    @classmethod
    def of(cls, view: Any) -> Optional["StorageUse"]:
        """How its storage is used; None if this torch cannot count uses."""
        torch = sys.modules.get("torch")
        if torch is None or type(view) is not torch.Tensor:
            return None
        # There is no public way to count; without this one, views are simply made again each time.
        count = getattr(torch._C, "_storage_Use_Count", None)  # noqa: SLF001
        return cls(view, count) if count and hasattr(view, "untyped_storage") else None

    def is_sole(self) -> bool:
        """See Use."""
        return (
            self._count(self._storage_number) == self._own_uses
            and sys.getrefcount(self._storage) == self._own_references
        )


def _from_buffer(
    torch: Any, window: Mapping, start: int, dtype: DType, shape: Sequence[int]
) -> Tuple[Any, Any]:
    numpy = sys.modules["numpy"]
    count = 1
    for dim in shape:
        count *= dim
    memory = numpy.ndarray((max(1, count * dtype.nbytes),), numpy.uint8, window.bytes, start)
    if not count:
        return torch.empty(tuple(shape), dtype=native_dtype(dtype, "torch")), memory
    return torch.frombuffer(memory, dtype=native_dtype(dtype, "torch")).reshape(tuple(shape)), memory


@functools.lru_cache(maxsize=None)
def _form(dtype: DType, library: Library) -> _Form:
    import numpy as np

    native = native_dtype(dtype, library)
    if library == "numpy":
        return _Form(native, None)
    try:
        return _Form(np.dtype(dtype.array_name), None)
    except TypeError:
        return _Form(np.dtype(f"int{8 * dtype.nbytes}"), native)
