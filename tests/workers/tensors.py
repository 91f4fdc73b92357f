"""Tensors: takes them, makes them, changes them, gives them back. Works with numpy arrays and torch tensors alike."""

import importlib
import os
import sys

import numpy as np
from gate import pass_gate

from tech_renaissance import FormatError, TechRenaissanceServer


class TensorServer(TechRenaissanceServer):
    kept = None

    def main_logic(self, command: str, parameters: str) -> bool:
        method = getattr(self, f"do_{command.replace('-', '_')}", None)
        if method is None:
            return False
        method(parameters)
        return True

    def do_pid(self, parameters):
        self.write_response("", str(os.getpid()))

    def do_wait(self, parameters):
        """At the gate that the last word names."""
        pass_gate(parameters.split()[-1])

    def do_die(self, parameters):
        os._exit(7)

    def do_sum(self, parameters):
        tensors = self.get_tensors(parameters)
        if tensors is not None:
            self.send_tensors(sum(tensor.sum() for tensor in tensors).reshape(()))

    def do_same(self, parameters):
        """The inputs, as they came."""
        self.send_tensors(*(self.get_tensors(parameters) or []))

    def do_pair(self, parameters):
        tensors = self.get_tensors(parameters, 2)
        if tensors is None:
            self.write_response("", "invalid")
        else:
            self.write_response("", "a pair")
            self.send_tensors(*tensors)

    def do_pair_without_a_word(self, parameters):
        self.send_tensors(*(self.get_tensors(parameters, 2) or []))

    def do_one(self, parameters):
        tensor = self.get_tensor(parameters)
        if tensor is not None:
            self.send_tensors(tensor)

    def do_careless(self, parameters):
        """Does not look whether there is a tensor."""
        self.send_tensors(self.get_tensor(parameters).sum().reshape(()))

    def do_fallback(self, parameters):
        """Copes with a missing tensor."""
        if self.get_tensors(parameters, 1) is None:
            self.send_tensors(np.zeros(2, np.float32))
            self.write_response("", "made up")

    def do_double_in_place(self, parameters):
        tensor = self.get_tensor(parameters)
        tensor *= 2
        self.send_tensors(tensor)

    def do_keep(self, parameters):
        self.kept = self.get_tensor(parameters)

    def do_kept(self, parameters):
        self.send_tensors(self.kept)

    def do_slices(self, parameters):
        tensor = self.get_tensor(parameters)
        self.send_tensors(tensor[1:])
        self.send_tensors(tensor[:, ::2], tensor.T)

    def do_late_change(self, parameters):
        """What is sent is what the tensor holds when the handler returns."""
        tensor = np.zeros(3, np.float32)
        self.send_tensors(tensor)
        tensor[:] = 5

    def do_many(self, parameters):
        self.send_tensors(*(np.full(index, index, np.int32) for index in range(int(parameters))))
        self.write_response("", parameters)

    def do_zeros(self, parameters):
        self.send_tensors(np.zeros(tuple(int(n) for n in parameters.split(",") if n), np.float64))

    def do_unsendable(self, parameters):
        self.send_tensors(np.ones(2, np.float32), np.array(["text"]))

    def do_refused(self, parameters):
        """Is told where it hands over what cannot be sent, and sends something else."""
        try:
            self.send_tensors(np.ones(2, np.float32), np.ma.masked_array([1.0], [True]))
        except FormatError as error:
            self.write_response("", error.code)
        self.send_tensors(np.zeros(1, np.float32))

    def do_type(self, parameters):
        self.write_response("", type(self.get_tensor(parameters)).__module__.partition(".")[0])

    def do_import(self, parameters):
        importlib.import_module(parameters)

    def do_imported(self, parameters):
        self.write_response("", str(parameters in sys.modules))

    def do_empty_type(self, parameters):
        self.write_response("", type(self.empty((2,))).__module__.partition(".")[0])

    def do_dtype(self, parameters):
        self.write_response("", str(self.get_tensor(parameters).dtype).replace("torch.", ""))


if __name__ == "__main__":
    library = os.environ.get("LIBRARY") or "numpy"
    TensorServer(library=None if library == "as imported" else library).run(sys.argv[1])
