"""Is ready only once the test opens the gate."""

import os
import sys

from echo import EchoServer
from gate import pass_gate

if __name__ == "__main__":
    pass_gate(os.environ["GATE"])
    EchoServer(library="numpy").run(sys.argv[1])
