"""The answer of a lean module: for one action, and in sets that stay small.

One engine takes time quadratic in the size of a set that rules add to. So the members of
the answer are lists of sets of few, and whoever asks puts them together. The definitions are
those of the published module, without groups and without the test of the action.
"""

from collections.abc import Mapping, Sequence

from dsl.names import Names
from dsl.rego_groups import Definition
from dsl.rego_text import clause, quote

MOST = 8  # members of a set
_OF_A_PERMIT = ("denied", "granted", "noted", "due", "preferred")
_OF_A_REFUSAL = ("denied", "granted", "noted", "broken", "open")
_SPELLED = {"due": "duties"}


def lean_answer(definitions: Sequence[Definition], names: Names, digest: str) -> list[str]:
    """The entry point `answer` and the definitions of its sets, as text."""
    sets: dict[str, list[str]] = {}
    texts: list[str] = []
    filled: dict[str, int] = {}
    for definition in definitions:
        number = filled.get(definition.set, 0)
        filled[definition.set] = number + 1
        listed = sets.setdefault(definition.set, [])
        if number % MOST == 0:
            listed.append(names.fresh(definition.set, str(number // MOST + 1)))
        lines = [line for part in definition.parts for line in part] or ["true"]
        texts.append(clause(f"{listed[-1]} contains {quote(definition.member)}", lines))
    return [*_answers(sets, digest), *texts]


def _answers(sets: Mapping[str, Sequence[str]], digest: str) -> list[str]:
    """`answer`, of a permit and of a refusal."""
    refusal = _members(_OF_A_REFUSAL, sets, digest)
    granted = sets.get("granted", ())
    if not granted:
        return [f"answer := {refusal}"]
    clear = [f"count({name}) == 0" for name in sets.get("denied", ())]
    return [
        f"answer := {_members(_OF_A_PERMIT, sets, digest)} if {{\n\tpermitted\n}}",
        f"answer := {refusal} if {{\n\tnot permitted\n}}",
        clause("permitted", [*clear, "some_granted"]),
        *(clause("some_granted", [f"count({name}) > 0"]) for name in granted),
    ]


def _members(members: Sequence[str], sets: Mapping[str, Sequence[str]], digest: str) -> str:
    listed = [f'"{_SPELLED.get(m, m)}": [{", ".join(sets.get(m, ()))}]' for m in members]
    return "{" + ", ".join([*listed, f'"program": {quote(digest)}']) + "}"
