"""A worker of protocol 1, over files and by hand: it answers ``hello NAME``."""

import json
import os
import sys
import time
from pathlib import Path

folder = Path(os.environ["TR_WORKSPACE"], "python_session", f"tr_session_{sys.argv[1]}")


def write(name: str, text: str) -> None:
    path = folder / f".{name}.tmp"
    path.write_text(text)
    path.replace(folder / name)


write("worker.json", json.dumps({"pid": os.getpid(), "transport": "file"}))
write("status.txt", "ready")
while True:
    try:
        request = json.loads((folder / "request.json").read_text())
    except FileNotFoundError:
        time.sleep(0.002)
        continue
    (folder / "request.json").unlink()
    if request["command"] == "exit":
        break
    response = {
        "command": request["command"],
        "result": "Hello " + request["parameters"],
        "id": request["id"],
    }
    write("response.json", json.dumps(response))
