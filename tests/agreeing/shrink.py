"""The smallest question that still shows a difference."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from tests.dsl.naive_facts import Asked


def shrunken(asked: Asked, differs: Callable[[Asked], bool]) -> Asked:
    """The question without whatever it differs without as well: facts, lists, elements of a
    list, fields of an element, one at a time until nothing more can go."""
    while True:
        smaller = next((other for other in _smaller(asked) if differs(other)), None)
        if smaller is None:
            return asked
        asked = smaller


def _smaller(asked: Asked) -> Iterator[Asked]:
    for path in asked.stated:
        yield replace(asked, stated=_without(asked.stated, path))
    for path, listed in asked.lists.items():
        yield replace(asked, lists=_without(asked.lists, path))
        if isinstance(listed, list):
            for elements in _shorter(cast("list[object]", listed)):
                yield replace(asked, lists={**asked.lists, path: elements})


def _shorter(elements: list[object]) -> Iterator[list[object]]:
    for place, element in enumerate(elements):
        rest = elements[:place], elements[place + 1 :]
        yield [*rest[0], *rest[1]]
        if isinstance(element, dict):
            fields = cast("dict[str, object]", element)
            for name in fields:
                yield [*rest[0], _without(fields, name), *rest[1]]


def _without(members: Mapping[str, object], name: str) -> dict[str, object]:
    return {other: value for other, value in members.items() if other != name}
