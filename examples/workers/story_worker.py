"""A worker that tells a story, word by word: a generator, served without a class."""

from typing import Generator

from tech_renaissance import serve

STORY = "upon a time there was a host that had a worker"


def tell(start: str, words: int = 12) -> Generator[str, None, int]:
    """The words of the story, again and again; gives the number of its letters in the end."""
    letters = 0
    following = STORY.split()
    for place in range(words):
        word = following[(place - 1) % len(following)] if place else start
        letters += len(word)
        yield word
    return letters


if __name__ == "__main__":
    serve(tell)
