"""Shared memory: handlers that keep, change, return and write in place. numpy arrays, or torch tensors with LIBRARY=torch."""

import errno
import os
import sys

import numpy as np
from gate import pass_gate

from tech_renaissance import ArenaFull, TechRenaissanceServer
from tech_renaissance._transport.shm import control
from tech_renaissance._transport.shm.segment import Segment

if os.environ.get("NO_RECHECKS"):  # who is not woken sleeps on
    control.SLEEP_S = 3600.0


class SharingServer(TechRenaissanceServer):
    def __init__(self, library):
        super().__init__(library=library)
        self.kept = []
        self.out = None

    def main_logic(self, command: str, parameters: str) -> bool:
        method = getattr(self, f"do_{command.replace('-', '_')}", None)
        if method is None:
            return False
        method(parameters)
        return True

    # ------------------------------------------------------------------ texts

    def do_echo(self, parameters):
        self.write_response("", parameters)

    def do_repeat(self, parameters):
        count, _, text = parameters.partition(" ")
        self.write_response("", int(count) * text)

    def do_wait(self, parameters):
        pass_gate(parameters)

    def do_die(self, parameters):
        os._exit(7)

    # ----------------------------------------------------------------- inputs

    def do_sum(self, parameters):
        tensors = self.get_tensors(parameters)
        if tensors is not None:
            self.write_response("", str(sum(float(tensor.sum()) for tensor in tensors)))

    def do_ends(self, parameters):
        """The first element and the last."""
        flat = self.get_tensor(parameters).reshape(-1)
        self.write_response("", f"{int(flat[0])} {int(flat[-1])} {flat.shape[0]}")

    def do_where(self, parameters):
        """Where it is in this process."""
        tensor = self.get_tensor(parameters)
        place = tensor.ctypes.data if isinstance(tensor, np.ndarray) else tensor.data_ptr()
        self.write_response("", str(place))

    def do_sum_later(self, parameters):
        gate, _, name = parameters.rpartition(" ")
        pass_gate(gate)
        self.do_sum(name)

    def do_shape(self, parameters):
        self.write_response("", str(tuple(self.get_tensor(parameters).shape)))

    def do_double(self, parameters):
        tensor = self.get_tensor(parameters)
        tensor *= 2

    def do_distort(self, parameters):
        """Changes what a tensor object says of itself, not what it holds."""
        tensor = self.get_tensor(parameters)
        if isinstance(tensor, np.ndarray):
            tensor.shape = (-1,)
            tensor.flags.writeable = False
        else:
            tensor.unsqueeze_(0).requires_grad_()
        self.kept.append(tensor)

    def do_same(self, parameters):
        self.send_tensors(*(self.get_tensors(parameters) or []))

    def do_part(self, parameters):
        self.send_tensors(self.get_tensor(parameters)[1:3])

    def do_keep(self, parameters):
        self.kept.append(self.get_tensor(parameters))

    def do_keep_part(self, parameters):
        self.kept.append(self.get_tensor(parameters)[1:3])

    def do_keep_memoryview(self, parameters):
        self.kept.append(np.asarray(memoryview(self.get_tensor(parameters))))

    def do_keep_transpose(self, parameters):
        self.kept.append(self.get_tensor(parameters).reshape(4, 1).T[0])

    def do_keep_owner(self, parameters):
        """What an array says that its memory belongs to, and a new array of that."""
        self.kept.append(np.asarray(self.get_tensor(parameters).base))

    def do_keep_through_numpy(self, parameters):
        """A view of another library, and nothing of our own."""
        self.kept.append(np.from_dlpack(self.get_tensor(parameters)))

    def do_keep_storage(self, parameters):
        tensor = self.get_tensor(parameters)
        self.kept.append(tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage())

    def do_keep_graph(self, parameters):
        """What autograd has saved for a backward pass."""
        import torch

        weights = torch.ones(4, requires_grad=True)
        self.kept.append((weights, (weights * self.get_tensor(parameters)).sum()))

    def do_backward(self, parameters):
        weights, loss = self.kept.pop()
        loss.backward()
        self.send_tensors(weights.grad)

    def do_kept(self, parameters):
        self.write_response("", str([list(map(float, item[:4])) for item in self.kept]))

    def do_kept_storage(self, parameters):
        import torch

        self.send_tensors(torch.tensor([], dtype=torch.float32).set_(self.kept.pop()))

    def do_forget(self, parameters):
        self.kept.clear()

    # ---------------------------------------------------------------- results

    def do_out(self, parameters):
        """A result that is written in place; we keep it."""
        self.out = self.empty((1000,), "float32")
        self.out[:] = float(parameters)
        self.send_tensors(self.out)

    def do_ordinary(self, parameters):
        """One that is not."""
        self.out = self.empty((1000,), "float32") * 0 + float(parameters)
        self.send_tensors(self.out)

    def do_poke(self, parameters):
        self.out[:] = float(parameters)

    def do_again(self, parameters):
        self.send_tensors(self.out, self.out)

    def do_half(self, parameters):
        """Of a tensor of empty: not the whole of its block."""
        self.send_tensors(self.out[:500])

    def do_add(self, parameters):
        import torch

        a, b = self.get_tensors(parameters, 2)
        out = self.empty(a.shape, a.dtype)
        torch.add(a, b, out=out)
        self.send_tensors(out)

    def do_many(self, parameters):
        count, nbytes = map(int, parameters.split())
        self.send_tensors(*(np.full(nbytes, index % 256, np.uint8) for index in range(count)))

    def do_empties(self, parameters):
        """Tensors of empty, all of them true or 1."""
        tensors = [self.empty(shape, parameters) for shape in ((), (0,), (2, 3))]
        for tensor in tensors:
            tensor[...] = 1
        self.send_tensors(*tensors)

    # ------------------------------------------------------------ no more memory

    def do_ask_for_too_much(self, parameters):
        try:
            self.empty((1 << 45,), "uint8")
        except ArenaFull as error:
            self.write_response("", error.code)

    def do_famine(self, parameters):
        """From now on the system has no memory for segments."""
        Segment.commit = _refuse

    def do_plenty(self, parameters):
        Segment.commit = _commit


_commit = Segment.commit


def _refuse(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
    SharingServer(os.environ.get("LIBRARY") or "numpy").run(sys.argv[1])
