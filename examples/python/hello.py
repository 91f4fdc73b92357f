"""Ask a worker for a greeting."""

from pathlib import Path

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """Start a worker, call it once, and let it go."""
    session = PythonSession(WORKERS / "hello_worker.py", "hello")
    session.start()
    session.wait_until_ready(5000)

    response = session.call("hello", "world", timeout_ms=3000)
    print(f"The worker says: {response}")

    session.please_exit(5000, True)
    session.close()


if __name__ == "__main__":
    main()
