"""A Python host that ends without closing its session: by its end, or as it is told."""

import sys
from pathlib import Path

from tech_renaissance import PythonSession

session = PythonSession(str(Path(__file__).with_name("echo.py")), "forgotten")
session.start()
print(session.fetch_response("pid"), flush=True)
if sys.argv[1] == "raise":
    raise RuntimeError
