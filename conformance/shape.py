"""Reads a JSON object member by member and says where it is not what it must be."""

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar, cast

from conformance.errors import ShapeError

T = TypeVar("T")


class Members:
    """One JSON object. Each member is asked for by name; `nothing_else` refuses the rest."""

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise ShapeError(where, f"must be an object, is {kind(value)}")
        self._members = cast("dict[str, object]", value)
        self._asked: set[str] = set()
        self.where = where

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def has(self, name: str) -> bool:
        """Whether the member is there at all."""
        self._asked.add(name)
        return name in self._members

    def at(self, name: str) -> str:
        """The pointer of a member."""
        return f"{self.where}/{name.replace('~', '~0').replace('/', '~1')}"

    def value(self, name: str) -> object:
        """A member of any kind."""
        if not self.has(name):
            raise ShapeError(self.where, f"`{name}` is missing")
        return self._members[name]

    def text(self, name: str, pattern: str = r"(?s).+") -> str:
        """A string that matches the whole pattern."""
        return as_text(self.value(name), self.at(name), pattern)

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """One of a few strings."""
        value = self.value(name)
        if not isinstance(value, str) or value not in allowed:
            wanted = ", ".join(sorted(allowed))
            raise ShapeError(self.at(name), f"must be one of {wanted}, is {kind(value)}")
        return value

    def number(self, name: str, low: int, high: int) -> int:
        """A whole number between two bounds, both allowed."""
        return as_number(self.value(name), self.at(name), low, high)

    def inner(self, name: str) -> "Members":
        """An object."""
        return Members(self.value(name), self.at(name))

    def items(
        self, name: str, read: Callable[[object, str], T], *, least: int = 0
    ) -> tuple[T, ...]:
        """A list, each item read by `read(value, pointer)`."""
        value = self.value(name)
        if not isinstance(value, list):
            raise ShapeError(self.at(name), f"must be a list, is {kind(value)}")
        items = cast("list[object]", value)
        if len(items) < least:
            raise ShapeError(self.at(name), f"must have at least {least}")
        return tuple(read(item, f"{self.at(name)}/{n}") for n, item in enumerate(items))

    def texts(self, name: str, pattern: str = r"(?s).+", *, least: int = 0) -> tuple[str, ...]:
        """A list of different strings."""
        found = self.items(name, lambda value, at: as_text(value, at, pattern), least=least)
        if len(set(found)) != len(found):
            raise ShapeError(self.at(name), "must not say a thing twice")
        return found

    def nothing_else(self) -> None:
        """Refuse members that nobody asked for."""
        for name in self._members:
            if name not in self._asked:
                raise ShapeError(self.at(name), "is not known here")


def as_text(value: object, where: str, pattern: str) -> str:
    """A string that matches the whole pattern."""
    if not isinstance(value, str):
        raise ShapeError(where, f"must be a string, is {kind(value)}")
    if re.fullmatch(pattern, value) is None:
        raise ShapeError(where, "is not written as it must be")
    return value


def as_number(value: object, where: str, low: int, high: int) -> int:
    """A whole number between two bounds, both allowed."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ShapeError(where, f"must be a whole number from {low} to {high}")
    return value


def kind(value: object) -> str:
    """The JSON type of a value, in words."""
    if value is None:
        return "null"
    names: tuple[tuple[type, str], ...] = (
        (bool, "a truth value"),
        (str, "a string"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for one, name in names if isinstance(value, one)), "a number")


def leaves(value: object, where: str = "") -> Iterator[tuple[str, object]]:
    """Pointer and value of all that holds nothing further; an empty container is a leaf."""
    if isinstance(value, dict) and value:
        for name, member in cast("dict[str, object]", value).items():
            yield from leaves(member, f"{where}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list) and value:
        for number, item in enumerate(cast("list[object]", value)):
            yield from leaves(item, f"{where}/{number}")
    else:
        yield where, value


def difference(one: object, other: object) -> list[str]:
    """The pointers of the leaves in which two values differ, or that only one of them has."""
    # Compared as text, because Python thinks that true is 1.
    ours, theirs = ({(at, repr(leaf)) for at, leaf in leaves(value)} for value in (one, other))
    return sorted({at for at, _ in ours ^ theirs})
