"""What an Open Policy Agent of ours holds besides the published module: of each action a lean
one, which takes it half the time.

The published module is for servers of anybody, that nobody looks at a question for: it tests
the action and guards the type of every fact. Before ours is asked both have been looked at.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dsl.core import Program
from dsl.core_json import program_digest
from dsl.facts import Question
from dsl.fold import paths_read
from dsl.to_rego import PACKAGE, rego_policy
from gateway.pdp.folded import Folder, named
from gateway.pdp.lean import lean_document


@dataclass(frozen=True, slots=True)
class LeanModule:
    """Where a module is, the digest of the program it was made of, and what it reads."""

    package: str
    digest: str
    facts: frozenset[str]
    time_zones: tuple[str, ...]

    def document(self, question: Question) -> dict[str, object]:
        """What it is asked."""
        return lean_document(question, self.facts, self.time_zones)


class OpaModules:
    """The lean modules of a program.

    Attributes:
        files: What they add to the bundle, by path.
    """

    def __init__(self, program: Program) -> None:
        self.files: dict[str, bytes] = {}
        self._folder = Folder(program)
        self._by_action: dict[str, LeanModule] = {}
        made: dict[str, LeanModule] = {}
        for action in program.actions:
            parts = tuple(self._folder.general(action))
            # Of many rules a server finds those for a question itself, in one question.
            if len(parts) == 1:
                # A lean module does not look at the action: two with the same rules share it.
                part = named(parts[0], program.actions[0])
                digest = program_digest(part)
                if digest not in made:
                    made[digest] = self._make(part, digest, len(made))
                self._by_action[action] = made[digest]

    def _make(self, part: Program, digest: str, number: int) -> LeanModule:
        name = f"lean_{number}"
        policy = rego_policy(part, package=f"{PACKAGE}.{name}", lean=True)
        self.files[f"{PACKAGE}/{name}/{name}.rego"] = policy.module.encode()
        if policy.data:
            own = _inside(_inside(policy.data, PACKAGE), name)
            data = json.dumps(own, ensure_ascii=False, sort_keys=True)
            self.files[f"{PACKAGE}/{name}/data.json"] = data.encode()
        return LeanModule(f"{PACKAGE}.{name}", digest, paths_read(part), part.time_zones())

    def of(self, question: Question) -> LeanModule | None:
        """The module to ask; None where that must be the published one: of an action without
        one, or where a fact or a day is not in its fit form."""
        module = self._by_action.get(question.action)
        return None if module is None or self._folder.keys(question) is None else module


def _inside(document: object, name: str) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise TypeError("the data of a module is an object for each part of its package")
    return document[name]  # pyright: ignore[reportUnknownVariableType]
