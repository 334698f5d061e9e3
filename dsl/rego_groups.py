"""Which rules Rego looks at: grouped by action, and by a condition that many share.

A condition that several members of a set have in common is asked once, in front of a
group of its own; where it fails, none of the group is looked at. Members keep all their
other conditions, so a group leaves out only what could not be in the set. Every definition
that is not in a group compares the action with one name, which is what the rule index of
the Open Policy Agent can use ("Policy Performance", "Use indexed statements").
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dsl.names import Names
from dsl.rego_text import clause, quote

# Fewer than this do not pay for the group; deeper nesting than this pays little more.
LEAST = 3
DEPTH = 2

Part = tuple[str, ...]  # the expressions of one conjunct


@dataclass(frozen=True, slots=True)
class Definition:
    """One member of a set of the answer, and what must hold for it to be there."""

    set: str
    member: str
    actions: tuple[str, ...]
    parts: tuple[Part, ...]


class Groups:
    """The definitions as text: `of` gives those of a member of a set, and `heads` those
    that lead from the sets of the answer to the groups."""

    def __init__(self, definitions: Sequence[Definition], names: Names) -> None:
        self.heads: list[str] = []
        self._names = names
        self._texts: dict[tuple[str, str], list[str]] = {}
        together: dict[tuple[str, tuple[str, ...]], list[Definition]] = {}
        for definition in definitions:
            key = (definition.set, definition.actions)
            together.setdefault(key, []).append(definition)
        for (name, actions), members in together.items():
            on = "_or_".join(actions)
            self._arrange(name, f"{name}_on_{on}", actions, members, DEPTH)

    def of(self, name: str, member: str) -> list[str]:
        return self._texts[name, member]

    def _arrange(
        self,
        name: str,
        words: str,
        actions: tuple[str, ...],
        members: list[Definition],
        depth: int,
    ) -> None:
        """Put members into the set `name`, directly or through groups."""
        left = members
        while depth > 0 and (shared := _most_shared(left)) is not None:
            below = f"{words}_{_spoken(shared)}"
            group = self._names.fresh(below)
            for body in _bodies(actions, [*shared, f"some id in {group}"]):
                self.heads.append(clause(f"{name} contains id", body))
            inside = [_without(member, shared) for member in left if shared in member.parts]
            self._arrange(group, below, (), inside, depth - 1)
            left = [member for member in left if shared not in member.parts]
        for member in left:
            lines = [line for part in member.parts for line in part]
            self._texts[member.set, member.member] = [
                clause(f"{name} contains {quote(member.member)}", body)
                for body in _bodies(actions, lines)
            ]


def _most_shared(members: Sequence[Definition]) -> Part | None:
    """The part that most members have, the first of several; None where few share one."""
    shared = Counter(part for member in members for part in dict.fromkeys(member.parts))
    part, number = max(shared.items(), key=lambda item: item[1], default=((), 0))
    return part if number >= LEAST else None


def _without(member: Definition, part: Part) -> Definition:
    return replace(member, parts=tuple(other for other in member.parts if other != part))


def _bodies(actions: tuple[str, ...], lines: list[str]) -> Iterator[list[str]]:
    """The body once for each action; inside a group the action is settled."""
    if not actions:
        yield lines
    for action in actions:
        yield [f"input.action == {quote(action)}", *lines]


def _spoken(part: Part) -> str:
    """A few words for a condition: `not certainly_not_x` is `if_x`."""
    last = part[-1]
    if last.startswith("not certainly_not_"):
        return "if_" + last.removeprefix("not certainly_not_")
    if last.startswith("not "):
        return "unless_" + last.removeprefix("not ")
    return f"if_{last}"
