"""Identifiers for emitted code: readable, unique, and no word of the target language.

Spelling alone cannot be both readable and injective: `a.b_c` and `a_b.c` both want to
be `a_b_c`. So names are handed out one by one and whoever comes second gets a number.
The order of asking is the order of the program, hence the same program gets the same
names.
"""

import re
from collections.abc import Iterable, Sequence

MAX_STEM = 60
SHOWN_VALUES = 3  # values spelled in a name before it says "and 27 more"

_FOREIGN = re.compile(r"[^a-z0-9]+")


def slug(text: str) -> str:
    """The text as a piece of an identifier: small ASCII letters, digits, underscores."""
    return _FOREIGN.sub("_", text.lower()).strip("_")


def describe_values(values: Sequence[str]) -> str:
    """A few words that say which values are meant: `at_be_bg_and_27_more`."""
    shown = [slug(value) for value in values[:SHOWN_VALUES]]
    more = len(values) - SHOWN_VALUES
    if more > 0:
        shown.append(f"and_{more}_more")
    return "_".join(word for word in shown if word) or "nothing"


class Names:
    """Hands out identifiers; never the same one twice, and never one that is reserved."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._taken = set(reserved)

    def fresh(self, *words: str) -> str:
        """A new identifier made of the words, numbered from 2 where it is taken."""
        stem = slug("_".join(words))[:MAX_STEM].strip("_")
        if not stem or not stem[0].isalpha():
            stem = f"n_{stem}".strip("_")
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name
