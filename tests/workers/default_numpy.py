"""The default worker with numpy's functions, whose import takes a fraction of torch's."""

import sys

from tech_renaissance.default_server import DefaultServer

if __name__ == "__main__":
    DefaultServer(library="numpy").run(sys.argv[1])
