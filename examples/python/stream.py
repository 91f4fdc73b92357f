"""Take the values of a generator as they come, and leave when there are enough."""

from pathlib import Path

from tech_renaissance import PythonSession

WORKERS = Path(__file__).resolve().parents[1] / "workers"


def main() -> None:
    """Listen to a story."""
    with PythonSession(WORKERS / "story_worker.py", "stream") as session:
        story = session.stream("tell", "Once", 4)
        for word in story:
            print(word)
        print(story.result(), "letters")

        # To leave the loop closes the generator. The worker lives on.
        for word in session.stream("tell", "Twice", 1_000_000):
            print(word)
            if word == "upon":
                break
        print(session.stream("tell", "And", 3).result(), "letters")


if __name__ == "__main__":
    main()
