"""Names that only look like others: what a reader takes for one name and a parser for another.

A name is plain where its compatibility form (NFKC of Unicode Standard Annex 15) is itself and
no character of it is invisible: a format character, a mark of no width, or a space.
"""

import unicodedata
from collections.abc import Iterator
from typing import cast

_INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_NO_WIDTH = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"}


def odd_names(value: object) -> Iterator[str]:
    """The names that are not plain, of all objects in a JSON value."""
    if isinstance(value, dict):
        for name, member in cast("dict[str, object]", value).items():
            if not _is_plain(name):
                yield name
            yield from odd_names(member)
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            yield from odd_names(element)


def _is_plain(name: str) -> bool:
    if name.isascii():
        return name.isprintable()
    if unicodedata.normalize("NFKC", name) != name:
        return False
    return not any(_is_invisible(char) for char in name)


def _is_invisible(char: str) -> bool:
    return (
        unicodedata.category(char) in _INVISIBLE
        or char in _NO_WIDTH
        or "\ufe00" <= char <= "\ufe0f"  # variation selectors
        or "\U000e0000" <= char <= "\U000e0fff"  # tags, more variation selectors
    )
