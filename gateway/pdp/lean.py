"""What a lean module is asked and what it answers (`dsl.rego_lean`), on whichever engine.

Such a module is about one action, and takes it for granted that every fact is fit and closed
in its taxonomy: whoever asks has looked (`gateway.pdp.folded.Folder.keys`).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from dsl.facts import Question


def facts_read(question: Question, paths: Collection[str]) -> dict[str, object]:
    """The facts of a question without those that no rule reads: they can be large, and cannot
    matter."""
    # Nobody has looked at what a published module is asked with.
    facts = cast("Mapping[str, object]", question.facts)
    # Null is as good as nothing.
    return {path: value for path, value in facts.items() if path in paths and value is not None}


def lean_document(
    question: Question, paths: Collection[str], time_zones: Iterable[str]
) -> dict[str, object]:
    """What a lean module is asked."""
    today = {zone: question.today[zone] for zone in time_zones}
    return {"today": today, "facts": facts_read(question, paths)}


def joined_answer(said: object) -> object:
    """The answer of a lean module as that of a published one; what is otherwise stays as it
    is, and will not be believed."""
    if not isinstance(said, dict):
        return said
    members = cast("dict[object, object]", said)
    return {member: _flat(listed) for member, listed in members.items()}


def _flat(listed: object) -> object:
    if not isinstance(listed, list):
        return listed
    parts = cast("list[object]", listed)
    if not all(isinstance(part, list) for part in parts):
        return parts
    return [name for part in parts for name in cast("list[object]", part)]
