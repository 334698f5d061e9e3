"""What the seed changes: the order of the cases and the names in the questions, so that a
gateway cannot know the suite by either. SHA-256 alone, so any language can repeat it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from conformance.case import PLACEHOLDER, Case

WORDS = {
    "subject": (
        "trainer indexer loader scorer planner reporter matcher importer "
        "renderer simulator archiver forecaster classifier exporter mailer router"
    ).split(),
    "dataset": (
        "lake ledger archive register journal catalogue history readings "
        "invoices tickets samples surveys metrics traces letters contacts"
    ).split(),
}
PLACES = (
    "north river harbour meadow summit valley island forest "
    "bridge garden castle market station mill quarry orchard"
).split()


def in_order(cases: Iterable[Case], seed: int) -> list[Case]:
    """The cases in the order of SHA-256(`seed/order/id`)."""
    return sorted(cases, key=lambda case: _digest(seed, "order", case.id))


def names(case: Case, seed: int) -> dict[str, str]:
    """Name for each placeholder. Twins get the same ones and stay a single leaf apart."""
    pair = min(case.id, case.twin)
    return {what: _name(WORDS[what], _digest(seed, what, pair)) for what in case.vary}


def filled(value: object, found: Mapping[str, str]) -> object:
    """A request with its placeholders replaced; only whole strings are."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: filled(member, found) for name, member in members.items()}
    if isinstance(value, list):
        return [filled(item, found) for item in cast("list[object]", value)]
    if isinstance(value, str) and (place := PLACEHOLDER.fullmatch(value)):
        return found[place[1]]
    return value


def _name(words: Sequence[str], digest: bytes) -> str:
    """Such as `scorer-meadow-417`."""
    word, place = words[digest[0] % len(words)], PLACES[digest[1] % len(PLACES)]
    return f"{word}-{place}-{int.from_bytes(digest[2:4]) % 1000}"


def _digest(seed: int, *parts: str) -> bytes:
    return hashlib.sha256("/".join((str(seed), *parts)).encode()).digest()
