"""What differs between a recorded decision and the same made again, by rule.

A difference is one in what a caller may do or must do, or in why. Words alone, such as a
title that was written better, are told apart from it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# How a question ends that a gateway would not answer but refuse (4xx).
MALFORMED = "not-answered"
NO_RULE = "-"
PERMIT = "permit"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `rule` is the id of the rule it is about, `-` where it is about none."""

    rule: str
    kind: str


def changes(before: Body, after: Body, *, same_day: bool) -> list[Change]:
    """What differs in substance, each once, sorted.

    Args:
        before: The recorded decision.
        after: The body of a decision.
        same_day: Whether both were made for one day, so that deadlines must be equal.
    """
    found: dict[Change, None] = {}
    if before["decision"] != after["decision"]:
        kind = f"{before['decision']} -> {after['decision']}"
        for rule in _answerable(before, after):
            found[Change(rule, kind)] = None
    else:
        for change in _reasons(before, after):
            found[change] = None
    if before["decision"] == after["decision"] == PERMIT:
        for change in _duties(before, after, same_day=same_day):
            found[change] = None
    if before["decision"] == after["decision"]:
        for change in _beside(before, after):
            found[change] = None
    return sorted(found, key=lambda change: (change.rule, change.kind))


def other_members(before: Body, after: Body) -> list[str]:
    """The members that are not the same to the letter, of those that both have."""
    return [name for name in after if name in before and before[name] != after[name]]


def refused(before: Body) -> Change:
    """A question that was answered, and would not be."""
    return Change(NO_RULE, f"{before['decision']} -> {MALFORMED}")


def rules_of(body: Body) -> set[str]:
    """The rules that a decision names."""
    named = ("reasons", "grounds", "obligations", "advice", "preferences", "warnings", "shadow")
    return {str(one["rule"]) for member in named for one in body.get(member, ())}


def _answerable(before: Body, after: Body) -> Iterable[str]:
    """The rules that made an outcome another: those that stand in the way of the one and not,
    or not in that way, of the other."""
    differ = _statuses(before).items() ^ _statuses(after).items()
    rules = {rule for rule, _ in differ}
    return rules or {NO_RULE}


def _statuses(body: Body) -> dict[str, str]:
    return {str(reason["rule"]): str(reason["status"]) for reason in body["reasons"]}


def _reasons(before: Body, after: Body) -> Iterator[Change]:
    old, new = _statuses(before), _statuses(after)
    for rule in sorted({*old, *new}):
        if rule not in new:
            yield Change(rule, f"no longer {old[rule]}")
        elif rule not in old:
            yield Change(rule, f"also {new[rule]}")
        elif old[rule] != new[rule]:
            yield Change(rule, f"{old[rule]} -> {new[rule]}")
    # A rule that is in the way since, or no longer, asks for what it asks for.
    in_both = old.keys() & new.keys()
    old_paths, new_paths = _lacking(before), _lacking(after)
    for rule, path in sorted(old_paths ^ new_paths):
        if rule in in_both:
            word = "also" if (rule, path) in new_paths else "no longer"
            yield Change(rule, f"{word} asks for {path}")


def _lacking(body: Body) -> set[tuple[str, str]]:
    return {(str(rule), str(one["path"])) for one in body["missing"] for rule in one["rules"]}


def _duties(before: Body, after: Body, *, same_day: bool) -> Iterator[Change]:
    for member, word in (("obligations", "obligation"), ("advice", "advice")):
        old, new = _by_duty(before, member), _by_duty(after, member)
        for rule, duty in sorted({*old, *new}):
            if (rule, duty) not in new:
                yield Change(rule, f"{word} {duty} removed")
            elif (rule, duty) not in old:
                yield Change(rule, f"{word} {duty} added")
            else:
                one, other = old[rule, duty], new[rule, duty]
                if one["parameters"] != other["parameters"]:
                    yield Change(rule, f"{word} {duty} with other parameters")
                elif (one["due"] is None) != (other["due"] is None) or (
                    same_day and one["due"] != other["due"]
                ):
                    yield Change(rule, f"{word} {duty} with another deadline")


def _by_duty(body: Body, member: str) -> dict[tuple[str, str], Body]:
    return {(str(one["rule"]), str(one["id"])): one for one in body.get(member, ())}


def _beside(before: Body, after: Body) -> Iterator[Change]:
    """Grounds of a permit, preferences, and rules that are not enforced."""
    members: tuple[tuple[str, str, Callable[[Body], object]], ...] = (
        ("grounds", "ground", lambda _: ""),
        ("preferences", "preference", lambda one: one["weight"]),
        ("warnings", "warning", lambda one: one["status"]),
        ("shadow", "trial", lambda one: one["status"]),
    )
    for member, word, told in members:
        if member not in before:
            continue  # of a version that did not record it
        old = {str(one["rule"]): told(one) for one in before[member]}
        new = {str(one["rule"]): told(one) for one in after[member]}
        for rule in sorted({*old, *new}):
            if rule not in new:
                yield Change(rule, f"{word} removed")
            elif rule not in old:
                yield Change(rule, f"{word} added")
            elif old[rule] != new[rule]:
                yield Change(rule, f"{word} {old[rule]} -> {new[rule]}")
