"""Spelling: the predicate of a decision in RFC 8785, and the answer around it.

Most of an answer follows from rules and catalogue alone: what a rule cites, why it is
there, what would help. That is spelled once and kept; a question costs only what differs
from the last one like it. The bytes are those `canonicalise` gives of the whole.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from dsl.core import FactType, Origin
from dsl.facts import Value, wire_value
from gateway.pdp.dates import instant
from gateway.pdp.judge import Judged
from gateway.pdp.memo import Bounded
from gateway.record.canonical import canonicalise, spell_object

_FACTS_KEPT = 10_000  # of the catalogue, that have been in an answer
Members = Mapping[str, bytes]


class Speller:
    """Spells the decisions of one bundle and one catalogue.

    Args:
        bundle: Its digest.
        catalogue: Its digest.
        remember: How many judgements to keep spelled.
    """

    def __init__(self, *, bundle: str, catalogue: str, remember: int) -> None:
        self._constant = {
            "bundle": canonicalise(bundle),
            "catalogue": canonicalise(catalogue),
            "evidence": canonicalise([]),
        }
        self._settled: Bounded[object, Members] = Bounded(remember)
        self._today: tuple[object, bytes] = (None, b"")
        self._facts: Bounded[tuple[str, Value], bytes] = Bounded(_FACTS_KEPT)

    def predicate(
        self, judged: Judged, *, decision_id: str, tenant: str, now: datetime, until: datetime
    ) -> bytes:
        """What is signed of a decision.

        Raises:
            CanonicalFormError: A fact has no canonical form.
        """
        asked = {name: self._asked(name, value) for name, value in judged.asked().items()}
        return spell_object(
            {
                **self._constant,
                **self._members(judged),
                **asked,
                "facts": b"[%b]" % b",".join(self._fact(*fact) for fact in judged.known()),
                "id": canonicalise(decision_id),
                "tenant": canonicalise(tenant),
                "decided_at": canonicalise(instant(now)),
                "valid_until": canonicalise(instant(until)),
            }
        )

    def _asked(self, name: str, value: object) -> bytes:
        if value is None:
            return b"null"
        if name == "today":
            # The same until the next midnight.
            if self._today[0] != value:
                self._today = (value, canonicalise(value))
            return self._today[1]
        return canonicalise(value)

    def _members(self, judged: Judged) -> Members:
        """The members that follow from the key of the judgement, where it has one."""
        kept = None if judged.key is None else self._settled.get(judged.key)
        if kept is None:
            kept = {name: canonicalise(value) for name, value in judged.settled().items()}
            if judged.key is not None:
                self._settled.put(judged.key, kept)
        return kept

    def _fact(self, fact: FactType, value: Value, origin: Origin) -> bytes:
        if origin is not Origin.CATALOGUE:
            # Nothing that a caller says is kept.
            return _fact(fact, value, origin)
        # 1 and True are one key, and two values of a fact; but a fact has one kind.
        key = (fact.path, value)
        kept = self._facts.get(key)
        if kept is None:
            kept = _fact(fact, value, origin)
            self._facts.put(key, kept)
        return kept


def _fact(fact: FactType, value: Value, origin: Origin) -> bytes:
    return b"".join((_before(fact.path, origin), canonicalise(wire_value(fact, value)), b"}"))


@lru_cache(maxsize=4096)
def _before(path: str, origin: Origin) -> bytes:
    """A fact up to its value, which is last by name as well."""
    return b'{"origin":%b,"path":%b,"value":' % (canonicalise(origin.value), canonicalise(path))


def answer_text(predicate: bytes, record: bytes, proof: str) -> bytes:
    """The answer as it is sent: the predicate, member for member, its record and its proof.

    Args:
        predicate: As `Speller.predicate` gives it.
        record: The envelope in RFC 8785.
    """
    return b'%b,"record":%b,"proof":%b}' % (predicate[:-1], record, canonicalise(proof))
