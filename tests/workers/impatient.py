"""Gives its host no time to show itself."""

import os
import sys

from echo import EchoServer

from tech_renaissance._worker import unhosted

if __name__ == "__main__":
    unhosted.PATIENCE_S = float(os.environ["PATIENCE_S"])
    EchoServer(library="numpy").run(sys.argv[1])
