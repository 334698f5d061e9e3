"""How far something has come: told by whoever works, shown by whoever called."""

from collections.abc import Callable

Told = Callable[[str, int, int], None]
"""Takes what is done, how much of it, and how much there is."""


def nobody(_what: str, _done: int, _of: int) -> None:
    """For those who do not ask."""
