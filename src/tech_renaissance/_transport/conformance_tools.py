"""What the checks of the Transport contract are made of."""

import importlib
import time
from typing import Any, Union

from .._protocol.body import TENSOR, kind_of
from .._protocol.frame import Answer, Frame, Item, Request
from .transport import Transport

# How long to wait for a frame that is on its way. Only a transport that has lost it takes this long.
PATIENCE_S = 60.0


def next_frame(end: Transport) -> Frame:
    """Wait for the next frame, which is on its way."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        frame = end.receive(1.0)
        if frame is not None:
            return frame
    raise AssertionError("a frame was lost")


def send(end: Transport, frame: Frame) -> None:
    assert end.try_send(frame), f"there is room for {frame!r:.200}"


def nothing_comes(end: Transport) -> None:
    frame = end.receive(0)
    assert frame is None, f"nothing was sent, but {frame!r} came"


def same(expected: Any, actual: Any) -> None:
    assert expected == actual, f"{expected!r:.200} became {actual!r:.200}"


def numpy() -> Any:
    return importlib.import_module("numpy")


def same_tensor(expected: Any, actual: Any) -> None:
    np = numpy()
    expected, actual = np.asarray(expected), np.asarray(actual)
    same((expected.dtype, expected.shape, expected.tobytes()), (actual.dtype, actual.shape, actual.tobytes()))


def plain(attachment: Any) -> Any:
    """An attachment, for comparisons."""
    if kind_of(attachment) != TENSOR:
        return attachment
    attachment = numpy().asarray(attachment)
    return str(attachment.dtype), tuple(attachment.shape), attachment.tolist()


def let_go(frame: Union[Request, Item, Answer]) -> None:
    """A worker is done with what it received."""
    for attachment in frame.attachments:
        attachment.let_go()
