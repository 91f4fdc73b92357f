"""Needs a package that does not exist."""

import sys

import a_package_that_is_not_there  # noqa: F401
from echo import EchoServer

EchoServer().run(sys.argv[1])
