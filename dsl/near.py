"""The known name an author most likely meant."""

import difflib
from collections.abc import Iterable

# Comparing takes time in proportion to both; nobody misspells that much.
MAX_WORD = 64
MAX_COMPARED = 2_000


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name the author most likely meant, if any is near."""
    folded = {_fold(candidate): candidate for candidate in sorted(known, reverse=True)}
    key = _fold(word)
    if key in folded:
        return folded[key]
    if len(word) > MAX_WORD or len(folded) > MAX_COMPARED:
        return None
    # Two letters are near to too much: of `XX` nobody can say which country it was.
    cutoff = 0.6 if len(word) > 2 else 0.9
    near = difflib.get_close_matches(key, folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else None


def _fold(name: str) -> str:
    return name.lower().replace("_", "-")
