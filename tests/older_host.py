"""A host as it was before this project: it knows the files of the session directory, and nothing else."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional

from leaks import wait_until


class OlderHost:
    """Starts a worker with ``python script.py session_id`` and talks to it through files."""

    def __init__(
        self,
        python: str,
        script: Path,
        workspace: Path,
        *,
        from_directory: bool = False,
        variables: Optional[Dict[str, str]] = None,
    ) -> None:
        """``from_directory``: no variable tells the worker the workspace; it is ``workspace`` in the current directory. ``variables``: for
        the worker's environment. What the worker prints is in ``output``.
        """
        self.directory = workspace / "python_session" / "tr_session_older"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TR_")}
        if not from_directory:
            environment["TR_WORKSPACE"] = str(workspace)
        self._output = workspace.parent / "older_output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [python, str(script), "older"],
                env={**environment, **(variables or {})},
                cwd=str(workspace.parent),
                stdin=subprocess.DEVNULL,
                stderr=output,
            )

    @property
    def output(self) -> str:
        """What the worker has written to stderr."""
        return self._output.read_text()

    def wait_for_status(self, *words: str) -> bool:
        """Wait until status.txt has one of the words."""
        return wait_until(lambda: self.status() in words)

    def status(self) -> str:
        """The line in status.txt."""
        try:
            return (self.directory / "status.txt").read_text()
        except (FileNotFoundError, PermissionError):  # on Windows, also while it is replaced
            return ""

    def ask(self, text: str) -> Dict[str, Any]:
        """Write a request as it is and wait for the response, which is consumed."""
        (self.directory / "request.json").write_text(text)
        return self.response()

    def response(self) -> Dict[str, Any]:
        """Wait for a response and consume it."""
        path = self.directory / "response.json"
        assert wait_until(path.exists)
        response = json.loads(path.read_text())
        path.unlink()
        return response

    def say_exit(self) -> None:
        """In place, as older hosts do."""
        (self.directory / "status.txt").write_text("exit")

    def close(self) -> Optional[int]:
        """End the worker and remove the directory; the exit status."""
        try:
            if self.process.poll() is None:
                self.say_exit()
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)
