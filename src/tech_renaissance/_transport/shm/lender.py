"""The owner's side of an arena, for tensors: where they are placed, and how long they are kept.

Not thread-safe, with one exception: tensors made by ``empty`` may die in any thread at any moment. They only
leave a note, which the next call deals with.
"""

import ctypes
import functools
import operator
import sys
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from ..._base.tensor import DTYPE_OF_ARRAY_NAME, DType, Library, describe
from ..._protocol.attachments import stored
from ..._protocol.body import TENSOR, kind_of
from ..._protocol.tsr import header_for, peek_header
from .arena import Arena, Block
from .segment import Segment
from .view import view_of

_MOST_FORMS = 4096
# How many blocks of requests that have died may wait until somebody has time for them.
_MOST_UNPLACED = 16
_MOST_DIMS = 8
# The C library's memmove with its types declared once costs half as much as ctypes.memmove.
_copy = (ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)).memmove
_copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_copy.restype = None
# Up to this size a slice assignment is faster. Larger copies are made without the GIL, so
# that other threads can run.
_MOST_SLICED_NBYTES = 0 if sys.platform == "win32" else 65536

# Torch dtypes whose tensors are plain memory if they are contiguous and on the CPU.
_PLAIN = {"float32", "float64", "int32", "int64", "uint8", "int8", "int16", "float16", "bfloat16"}


class _Loan(weakref.ref):  # pyright: ignore[reportMissingTypeArgument]
    """Refers weakly to the memory of a tensor that ``empty`` handed out."""

    __slots__ = ("address", "block", "dtype", "memory_id", "shape")
    address: int  # of the elements
    memory_id: int
    block: Block
    dtype: DType
    shape: Tuple[int, ...]

    def is_of(self, dtype: Optional[DType], shape: Tuple[int, ...]) -> bool:
        """Whether the memory is still alive and was handed out with this dtype and shape."""
        return self.dtype is dtype and self.shape == shape and self() is not None


class _Form:
    """What all tensors of a dtype and shape share; ``dtype`` is None if they are not plain memory.
    ``elements`` turns an address into a buffer to copy from; it is None if they are too large for that.
    """

    __slots__ = ("data_nbytes", "dtype", "elements", "header", "header_nbytes", "nbytes", "shape")

    def __init__(
        self, dtype: Optional[DType], shape: Tuple[int, ...], header: bytes, data_nbytes: int
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.header = header
        self.data_nbytes = data_nbytes
        is_small = 0 < data_nbytes <= _MOST_SLICED_NBYTES
        self.elements: Any = (ctypes.c_ubyte * data_nbytes).from_address if is_small else None
        self.header_nbytes = len(header)
        self.nbytes = len(header) + data_nbytes


class PlacedBlock:
    """A block with an attachment of a request; see Placed. ``was_sent``: a reader may have written to it."""

    __slots__ = ("_note", "block", "kind", "was_sent")

    def __init__(self, kind: int, block: Block, note: Callable[[Block], None]) -> None:
        self.kind = kind
        self.block = block
        self.was_sent = False
        self._note = note

    def __del__(self) -> None:
        self._note(self.block)

    def tsr(self) -> memoryview:
        """See Placed."""
        return tsr_of(self.block)


class Lender:
    """Places tensors and bytes in blocks of an arena that this side owns.

    A header is compared before it is written: mostly the block has it already, and what both sides only
    read stays in both caches.
    """

    def __init__(self, segment: Segment) -> None:
        """Raises OSError if the segment cannot be mapped."""
        self.arena = Arena(segment)
        self._loans: Dict[int, _Loan] = {}  # by the address of the elements
        self._loans_by_memory: Dict[int, _Loan] = {}  # the same, by the id of the array that owns the memory
        self._dead: Deque[_Loan] = deque()
        # Blocks of attachments that have been let go of, oldest first; each has one holder more than is
        # left. For the next attachments to take, or for ``collect``.
        self.unplaced: Deque[Block] = deque()
        self._forms: Dict[Any, _Form] = {}  # by torch's or numpy's dtype, and shape
        self._array: Any = None  # numpy.ndarray, once it is needed
        self._torch_tensor: Any = None  # torch.Tensor, once torch has been imported
        self._strided: Any = None  # torch.strided
        self._is_cpu: Callable[[Any], bool] = _is_cpu

    def empty(self, dtype: DType, shape: Sequence[int], library: Library) -> Any:
        """A new, uninitialised tensor that lives in a block. Raises ArenaFull, FormatError."""
        if self._dead:
            self._forget_dead()
        shape = tuple(shape)
        block, start = self._block_for(dtype, shape)
        if dtype.name == "BOOL":  # bytes other than 0 and 1 are undefined behaviour in the libraries
            ctypes.memset(block.window.address + start, 0, _header_of(dtype, shape)[1])
        tensor, memory = view_of(block.window, start, dtype, shape, library)
        loan = _Loan(memory, self._dead.append)
        loan.address, loan.memory_id = address, memory_id = block.window.address + start, id(memory)
        loan.block, loan.dtype, loan.shape = block, dtype, shape
        self._loans[address] = self._loans_by_memory[memory_id] = (
            loan  # keep it alive, or it would never leave its note
        )
        return tensor

    def place(self, tensor: Any, old: Optional[Block] = None) -> Block:
        """The block of a tensor made by ``empty``, or a new block with a copy. It has one holder more, until
        ``arena.release``. Or it is ``old``, a block that we may write into: then it has a copy of the
        tensor, and as many holders as before.

        Raises ArenaFull, FormatError.
        """
        if self._dead:
            self._forget_dead()
        kind: Any = type(tensor)  # pyright: ignore[reportUnknownVariableType]
        if kind is self._array:
            return self._place_array(tensor, old)
        if kind is self._torch_tensor:
            return self._place_torch(tensor, old)
        self._array = getattr(sys.modules.get("numpy"), "ndarray", None)
        self._torch_tensor = getattr(sys.modules.get("torch"), "Tensor", None)
        return (
            self.place(tensor, old) if kind in (self._array, self._torch_tensor) else self._place_any(tensor)
        )

    def try_rewrite(self, block: Block, tensor: Any) -> bool:
        """Write into a block, at once, if that takes no more than a look: a small array, of the same dtype
        and shape as what is in the block, and in ordinary memory.
        """
        form = self._form_of_small(tensor)
        if form is None or form.header != block.header:
            return False
        mapping, start = block.window.mapping, block.start
        data_start = start + form.header_nbytes
        if mapping[start:data_start] != form.header:
            mapping[start:data_start] = form.header
        mapping[data_start : data_start + form.data_nbytes] = tensor
        return True

    def _place_torch(self, tensor: Any, old: Optional[Block]) -> Block:
        """The fastest way for a torch tensor that is plain memory."""
        try:
            form = self._forms.get((tensor.dtype, tensor.shape)) or self._learn(tensor)
        except RuntimeError:  # a nested tensor has no shape
            return self._place_any(tensor)
        plain = form.dtype is not None and tensor.layout is self._strided and self._is_cpu(tensor)
        if not plain or not tensor.is_contiguous() or tensor.is_neg():
            return self._place_any(tensor)
        address = tensor.data_ptr()
        if address in self._loans:
            block = self._existing(address, form.dtype, form.shape)
            if block is not None:
                return block
        return self._place_elements(form, form.elements(address) if form.elements else None, address, old)

    def _place_array(self, array: Any, old: Optional[Block]) -> Block:
        """The same for a numpy array."""
        form = self._forms.get((array.dtype, array.shape)) or self._learn_array(array)
        if form.dtype is None or not array.flags.c_contiguous:
            return self._place_any(array)
        loans = self._loans_by_memory
        if loans:
            # A view's base is the array that owns the memory. A view with as many elements
            # and no gaps is all of it.
            loan = loans.get(id(array)) or loans.get(id(array.base))
            if loan is not None and loan.is_of(form.dtype, form.shape):
                loan.block.holders += 1
                return loan.block
        return self._place_elements(
            form, array, 0 if form.elements else array.__array_interface__["data"][0], old
        )

    def _place_elements(self, form: "_Form", elements: Any, address: int, old: Optional[Block]) -> Block:
        """A new block with a copy of the elements: from a buffer if they are few, else from the address."""
        header = form.header
        block = old if old is not None and old.header == header else self._take(header, form.nbytes)
        start = block.start
        data_start = start + form.header_nbytes
        window = block.window
        mapping = window.mapping
        if mapping[start:data_start] != header:
            mapping[start:data_start] = header
        if form.elements:
            mapping[data_start : data_start + form.data_nbytes] = elements
        else:
            _copy(window.address + data_start, address, form.data_nbytes)
        return block

    def place_attachment(self, attachment: Any) -> Tuple[int, Block]:
        """The kind of an attachment, and the block of the tensor that holds it, as ``place`` gives it."""
        form = self._form_of_small(attachment)
        if form is not None:
            header = form.header
            block = self._take(header, form.nbytes)
            mapping, start = block.window.mapping, block.start
            data_start = start + form.header_nbytes
            if mapping[start:data_start] != header:
                mapping[start:data_start] = header
            mapping[data_start : data_start + form.data_nbytes] = attachment
            return TENSOR, block
        kind: Any = type(attachment)  # pyright: ignore[reportUnknownVariableType]
        if kind is self._array or kind is self._torch_tensor:
            return TENSOR, self.place(attachment)
        return kind_of(attachment), self.place(stored(attachment))

    def place_all(self, attachments: Sequence[Any]) -> List[PlacedBlock]:
        """The same for the attachments of a request: the block of each is released when what this
        returns for it dies, in any thread.
        """
        if len(self.unplaced) > _MOST_UNPLACED:
            self.collect()
        place, note = self.place_attachment, self.unplaced.append
        all_placed: List[PlacedBlock] = []
        for attachment in attachments:
            kind, block = place(attachment)
            all_placed.append(PlacedBlock(kind, block, note))
        return all_placed

    def _form_of_small(self, array: Any) -> Optional[_Form]:
        """The form of what takes no more than a look to be copied: a small array of which there was
        one before, in ordinary memory.
        """
        if type(array) is not self._array:
            return None
        form = self._forms.get((array.dtype, array.shape))
        if form is None or not form.elements or not array.flags.c_contiguous:
            return None
        loans = self._loans_by_memory
        # A view's base is the array that owns the memory.
        return None if loans and (id(array) in loans or id(array.base) in loans) else form

    def place_bytes(self, data: bytes) -> Block:
        """A block with these bytes and one holder. Raises ArenaFull."""
        if self.unplaced:
            self.collect()
        block = self.arena.allocate(len(data))
        block.window.bytes[block.start : block.start + len(data)] = data
        return block

    def collect(self) -> None:
        """Release the blocks whose tensors, or requests, have died."""
        while self.unplaced:
            self.arena.release(self.unplaced.popleft())
        self._forget_dead()

    def _take(self, header: bytes, nbytes: int) -> Block:
        """A block for a tensor with this header, with one holder: the oldest that was let go of, if
        it was for such a tensor and is back, so that calls that are alike use the same ones; else
        another. Raises ArenaFull.
        """
        unplaced = self.unplaced
        if unplaced:
            block = unplaced.popleft()  # at once, because others may be added in any thread
            if (
                block.header is header
                and block.holders == 1
                and block.window.words[block.word] == block.lease
            ):
                return block
            unplaced.appendleft(block)
            self.collect()
        block = self.arena.allocate(nbytes)
        block.header = header
        return block

    def _forget_dead(self) -> None:
        while self._dead:
            loan = self._dead.popleft()
            del self._loans[loan.address]
            if self._loans_by_memory.get(loan.memory_id) is loan:  # else another array already has this id
                del self._loans_by_memory[loan.memory_id]
            self.arena.release(loan.block)

    def _learn(self, tensor: Any) -> "_Form":
        torch = sys.modules["torch"]
        self._strided = torch.strided
        if hasattr(torch.Tensor, "is_cpu"):  # since torch 1.13
            self._is_cpu = operator.attrgetter("is_cpu")
        name = str(tensor.dtype).replace("torch.", "")
        return self._learn_form(tensor, DTYPE_OF_ARRAY_NAME[name] if name in _PLAIN else None)

    def _learn_array(self, array: Any) -> "_Form":
        dtype = DTYPE_OF_ARRAY_NAME.get(array.dtype.name)
        # The bytes of bools may be neither 0 nor 1.
        is_plain = array.dtype == array.dtype.newbyteorder("<") and array.dtype.name != "bool"
        return self._learn_form(array, dtype if is_plain else None)

    def _learn_form(self, tensor: Any, dtype: Optional[DType]) -> "_Form":
        shape = tuple(tensor.shape)
        header, nbytes = _header_of(dtype, shape) if dtype and len(shape) <= _MOST_DIMS else (b"", 0)
        form = _Form(dtype if header else None, shape, header, nbytes)
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        self._forms[tensor.dtype, tensor.shape] = form
        return form

    def _place_any(self, tensor: Any) -> Block:
        raw = describe(tensor)
        nbytes = raw.data.nbytes
        if nbytes:
            address = ctypes.addressof(ctypes.c_ubyte.from_buffer(raw.data)) if not raw.data.readonly else 0
            block = self._existing(address, raw.dtype, raw.shape)
            if block is not None:
                return block
        block, start = self._block_for(raw.dtype, raw.shape)
        block.window.bytes[start : start + nbytes] = raw.data
        return block

    def _existing(self, address: int, dtype: Optional[DType], shape: Sequence[int]) -> Optional[Block]:
        loan = self._loans.get(address)
        if loan is None or not loan.is_of(dtype, tuple(shape)):
            return None
        loan.block.holders += 1
        return loan.block

    def _block_for(self, dtype: DType, shape: Tuple[int, ...]) -> Tuple[Block, int]:
        """A block with the header of such a tensor, and the position in its window where the elements go."""
        header, nbytes = _header_of(dtype, shape)
        block = self._take(header, len(header) + nbytes)
        end = block.start + len(header)
        block.window.bytes[block.start : end] = header
        return block, end


def restore(block: Block) -> None:
    """Rewrite the header of a block's tensor, in case the other side changed it."""
    mapping, start, header = block.window.mapping, block.start, block.header
    if mapping[start : start + len(header)] != header:
        mapping[start : start + len(header)] = header


def tsr_of(block: Block) -> memoryview:
    """The tensor in a block as the bytes of a TSR file, valid as long as the block is held."""
    restore(block)
    header = peek_header(block.header, len(block.header))
    return block.window.bytes[block.start : block.start + header.header_nbytes + header.nbytes]


def _is_cpu(tensor: Any) -> bool:
    return tensor.device.type == "cpu"


@functools.lru_cache(maxsize=1024)
def _header_of(dtype: DType, shape: Tuple[int, ...]) -> Tuple[bytes, int]:
    count = 1
    for dim in shape:
        count *= dim
    return header_for(dtype, shape), count * dtype.nbytes
