"""Sentences and the lists below them, as lawyers write both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dsl import model
from dsl.core import Citation, DutyKind
from dsl.wording import INLINE, AllOf, AnyOf, Phrase, due, listed, sentence, value


@dataclass(frozen=True)
class Item:
    """A sentence, and those that belong below it."""

    text: str
    items: "tuple[Item, ...]" = ()


@dataclass(frozen=True)
class Paragraph:
    """What one clause of a rule says. `key` names it for programs and logs."""

    key: str
    text: str
    items: tuple[Item, ...] = ()


def told(begin: str, phrase: Phrase) -> Item:
    """A sentence with a condition: on one line where it is short, else as a list."""
    if isinstance(phrase, str) or (_short_enough(phrase) and len(phrase.parts) < 3):
        return Item(f"{begin} {sentence(phrase)}.")
    which = "all of this is so" if isinstance(phrase, AllOf) else "at least one of these is so"
    return Item(f"{begin} {which}:", _list(phrase, "."))


def _short_enough(phrase: AllOf | AnyOf) -> bool:
    """Whether it reads as one sentence: a part with the same `and` or `or` inside does not."""
    joint = " and " if isinstance(phrase, AllOf) else " or "
    flat = all(isinstance(part, str) and joint not in part for part in phrase.parts)
    return flat and len(sentence(phrase)) <= INLINE


def _list(phrase: AllOf | AnyOf, end: str) -> tuple[Item, ...]:
    """The parts as lawyers list them, with `and` or `or` before the last."""
    joint = "and" if isinstance(phrase, AllOf) else "or"
    ends = [";"] * (len(phrase.parts) - 2) + [f"; {joint}", end]
    return tuple(_listed(part, own) for part, own in zip(phrase.parts, ends, strict=True))


def _listed(phrase: Phrase, end: str) -> Item:
    if isinstance(phrase, str):
        return Item(f"{phrase}{end}")
    if _short_enough(phrase):
        either = "either " if isinstance(phrase, AnyOf) and len(phrase.parts) == 2 else ""
        return Item(f"{either}{sentence(phrase)}{end}")
    which = "all of these:" if isinstance(phrase, AllOf) else "at least one of these:"
    return Item(which, _list(phrase, end))


def obliged(oblige: model.Oblige, whom: str) -> Item:
    advice = oblige.kind is DutyKind.ADVICE
    begin = f"{whom} is advised to" if advice else f"{whom} has to"
    within = f", within {due(oblige.due)} of the decision" if oblige.due else ""
    with_ = [f"{name} is {_parameter(given)}" for name, given in oblige.parameters]
    given = f" ({listed(with_)})" if with_ else ""
    title = oblige.title[:1].lower() + oblige.title[1:]
    return Item(f"{begin} {title}{given}{within}.")


def _parameter(given: bool | int | str) -> str:
    if isinstance(given, bool):
        return "yes" if given else "no"
    return value(str(given))


def laws(citations: Iterable[Citation]) -> Iterator[str]:
    """Each law with the places in it."""
    places: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for citation in citations:
        places.setdefault(citation.law, []).append(citation.locator)
        celex = f", CELEX {citation.celex}" if citation.celex else ""
        titles[citation.law] = f"{citation.title}{celex}"
    for law, locators in places.items():
        yield f"{law} {listed(locators)}: {titles[law]}"
