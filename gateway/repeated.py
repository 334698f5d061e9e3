"""What the records of one bundle and one catalogue say again and again, as one text: rules,
what they cite and ask for, facts of the catalogue, and the frame of a record.

The log stores a record as the difference from this text. It is made of the bundle and the
catalogue alone: what a caller said must not outlive the erasure of its record.
"""

from collections.abc import Iterator
from typing import cast

from dsl.core import FactType, Program, Rule
from gateway.bundle import Bundle
from gateway.in_force import InForce
from gateway.pdp.catalogue import Catalogue
from gateway.pdp.dates import day_of
from gateway.pdp.decider import Decider
from gateway.pdp.decision import OUTCOMES, UNANSWERED, Ground, Obligation, Reason
from gateway.record.canonical import canonicalise
from gateway.record.envelope import Envelope, EnvelopeSignature
from gateway.record.statement import PAYLOAD_TYPE, state_predicate

# Beyond this the text takes more memory and time at each start than it spares.
MAX_BYTES = 256 * 1024
_MAX_ENTITIES = 32 * 1024  # bytes of the facts of a large catalogue
_MAX_RULES = 96 * 1024  # bytes of what rules say, alone and of questions
_MAX_VECTORS = 500
_STATUSES = ("uncovered", "undetermined", "forbidden")


def repeated_text(in_force: InForce, key_id: str) -> bytes:
    """The text, of at most `MAX_BYTES`; what is said most often comes last.

    Args:
        key_id: Of the key that signs.
    """
    program = in_force.bundle.program
    rules = b",".join(_of_rules(program))[-_MAX_RULES:]
    shown = b",".join(dict.fromkeys(_of_vectors(in_force.bundle)))[-_MAX_RULES:]
    entities = b",".join(dict.fromkeys(_of_catalogue(program, in_force.catalogue)))
    facts = dict.fromkeys(piece for fact in program.facts.values() for piece in _of_fact(fact))
    parts = (rules, entities[:_MAX_ENTITIES], *facts, shown, *_frames(in_force, key_id))
    return b",".join(parts)[-MAX_BYTES:]


def _of_vectors(bundle: Bundle) -> Iterator[bytes]:
    """What is said of the questions by which the bundle shows its conditions."""
    program = bundle.program
    decider = Decider(program)
    for vector in bundle.vectors[:_MAX_VECTORS]:
        question = vector.question
        origins = {path: program.facts[path].origin for path in question.facts}
        today = day_of(max(question.today.values(), default=0))
        said = decider.decide(vector.answer, question, origins, today=today).body()
        for listed in said.values():
            for piece in cast("list[object]", listed) if isinstance(listed, list) else ():
                yield canonicalise(piece)


def _of_rules(program: Program) -> Iterator[bytes]:
    for rule in program.rules:
        yield from map(canonicalise, _said(rule))


def _said(rule: Rule) -> Iterator[object]:
    for note in rule.exceptions:
        yield Ground(note.id, note.title, note.citations).body()
    yield Ground(rule.id, rule.title, rule.citations).body()
    for duty in rule.duties:
        yield Obligation(duty, None).body()
    yield Reason(rule, "undetermined", ()).body()


def _of_catalogue(program: Program, known: Catalogue) -> Iterator[bytes]:
    for place in program.places:
        for entry in known.entries.get(place.entity, {}).values():
            reference = {"record": place.record, "type": place.entity, "id": entry.id}
            yield canonicalise(reference)
            for field, value in entry.facts.items():
                path = f"{place.record}.{field}"
                yield canonicalise({"origin": "catalogue", "path": path, "value": value})


def _of_fact(fact: FactType) -> Iterator[bytes]:
    for rules in ([], ["x"]):  # as it is missing, and as it is known
        said = {"path": fact.path, "origin": fact.origin.value}
        yield canonicalise({**said, "pointer": "/" + "/".join(fact.wire), "rules": rules})
    for value in fact.values or (True,):
        yield canonicalise({**said, "value": value})


def _frames(in_force: InForce, key_id: str) -> Iterator[bytes]:
    """Records that say nothing, one for each outcome."""
    for outcome in OUTCOMES.values():
        predicate: dict[str, object] = {
            **UNANSWERED.body(),
            **in_force.named(),
            "decision": outcome.value,
            "action": in_force.bundle.program.actions[0],
            "engines": {engine.name: outcome.value for engine in in_force.judge.engines},
            "entities": [],
            "evidence": [],
            "facts": [],
            "id": "",
            "incident": None,
            "tenant": "",
            "today": dict.fromkeys(in_force.bundle.program.time_zones(), ""),
            "decided_at": "",
            "valid_until": "",
        }
        payload = state_predicate("0" * 64, canonicalise(predicate))
        after = Envelope(PAYLOAD_TYPE, b"", (EnvelopeSignature(key_id, b""),)).to_bytes()
        yield payload + after
