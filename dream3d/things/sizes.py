"""Words that say how large a thing is, and nothing else of it."""

import re

SMALL = 0.6  # of the usual size, in a picture of its own or beside another thing
SMALL_WORDS = ("small", "tiny", "little")

_WORDS = "|".join(SMALL_WORDS)
_SAID = re.compile(
    rf"\b(?:{_WORDS})\b[\s,]+(?:and\s+)?(?=\w)"  # "a small mug", "a small and red mug"
    rf"|\s+that\s+is\s+(?:{_WORDS})\b(?=[\s,.!?]*$)",  # "a mug that is small"
    re.IGNORECASE,
)
_PARTS = re.compile(r"\bwith(?:out)?\b|\bha(?:s|ve|ving)\b|\band\s+(?:an?|the)\b", re.IGNORECASE)


def split_size(text: str) -> tuple[str, float]:
    """A thing without the words that make it small, and its size in units of the usual one.

    What the prior draws small it draws with fewer pixels: better it draws the thing itself, which is made
    smaller where it stands beside another one. Words for shapes ("tall", "fat") stay, and so does what is
    said of parts ("with a tiny handle", "that has a small door") and of a second thing ("and a small mug").
    """
    parts = _PARTS.search(text)
    end = parts.start() if parts else len(text)
    thing, count = _SAID.subn("", text[:end])
    return thing + text[end:], SMALL if count else 1.0
