"""Spelling: the predicate of a decision in RFC 8785, and the answer around it.

Most of an answer follows from rules and catalogue alone: what a rule cites, why it is
there, what would help. That is spelled once and kept; a question costs only what differs
from the last one like it. The bytes are those `canonicalise` gives of the whole.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from dsl.core import FactType, Kind, Origin
from dsl.facts import Value, wire_value
from gateway.pdp.dates import instant
from gateway.pdp.decision import Decision
from gateway.pdp.judge import Judged
from gateway.pdp.memo import Bounded
from gateway.record.canonical import canonicalise
from gateway.spelling_parts import Form, Members, Parts, spelled_engines

_FACTS_KEPT = 10_000  # of the catalogue, that have been in an answer
_ENTITIES_KEPT = 10_000  # sets of them, of the catalogue
_SHARED_KEPT = 1024  # decisions that several questions can share


_OF_ONE = ("decided_at", "id", "valid_until")  # what no two decisions share


class Spelled:
    """The predicate of decisions that are alike, with room for what is of one of them.

    Args:
        form: With what many share.
        own: What these do.
    """

    __slots__ = ("_pieces", "_places")

    def __init__(self, form: Form, own: Members) -> None:
        self._pieces, self._places = form.pieces(own, _OF_ONE)

    def at(self, *, decision_id: str, now: datetime, until: datetime) -> bytes:
        """The predicate of one of them."""
        pieces = self._pieces.copy()
        begun, named, ends = self._places
        pieces[begun] = _spelled_instant(now)
        pieces[named] = canonicalise(decision_id)
        pieces[ends] = _spelled_instant(until)
        return b"".join(pieces)


@lru_cache(maxsize=64)
def _spelled_instant(moment: datetime) -> bytes:
    return canonicalise(instant(moment))


class Speller:
    """Spells the decisions of one bundle and one catalogue.

    Args:
        bundle: Its digest.
        catalogue: Its digest.
        layers: The digests of the files of the catalogue, where there are several.
        remember: How many judgements to keep spelled.
    """

    def __init__(
        self, *, bundle: str, catalogue: str, remember: int, layers: Sequence[str] = ()
    ) -> None:
        self._constant = {
            "bundle": canonicalise(bundle),
            "catalogue": canonicalise(catalogue),
            "evidence": canonicalise([]),
        }
        if len(layers) > 1:
            self._constant["catalogue_layers"] = canonicalise(list(layers))
        self._remember = remember
        self._parts = Parts(self._fact)
        self._forms: Bounded[object, Form] = Bounded(remember)
        # With the decision itself, so that no other has its identity meanwhile.
        self._shared: Bounded[object, tuple[Decision, object, Form]] = Bounded(_SHARED_KEPT)
        self._today: tuple[object, bytes] = (None, b"")
        self._facts: Bounded[tuple[str, Value], bytes] = Bounded(_FACTS_KEPT)
        self._words: dict[str, Members] = {}  # of the vocabulary, by fact
        self._wholes: dict[str, dict[Value, bytes]] = {}  # facts that are one of these words
        self._entities: Bounded[object, bytes] = Bounded(_ENTITIES_KEPT)

    def attested(self, evidence: str) -> None:
        """Name evidence of the gateway in every decision from now on, by its digest."""
        self._constant["gateway"] = canonicalise({"evidence": evidence})
        self._forms = Bounded(self._remember)
        self._shared = Bounded(_SHARED_KEPT)

    def predicate(
        self, judged: Judged, *, decision_id: str, tenant: str, now: datetime, until: datetime
    ) -> bytes:
        """What is signed of a decision.

        Raises:
            CanonicalFormError: A fact has no canonical form.
        """
        return self.spelled(judged, tenant).at(decision_id=decision_id, now=now, until=until)

    def spelled(self, judged: Judged, tenant: str) -> Spelled:
        """The same without the identity and the times; raises as `predicate`."""
        own = {name: self._asked(name, value, judged) for name, value in judged.asked().items()}
        own["facts"] = b"[%b]" % b",".join([self._fact(*fact) for fact in judged.known()])
        own["tenant"] = canonicalise(tenant)
        return Spelled(self._form(judged, (*own, *_OF_ONE)), own)

    def _asked(self, name: str, value: object, judged: Judged) -> bytes:
        if value is None:
            return b"null"
        if name == "today":
            # The same until the next midnight.
            if self._today[0] != value:
                self._today = (value, canonicalise(value))
            return self._today[1]
        if name == "entities":
            kept = self._entities.get(judged.joined.entities)
            if kept is None:
                kept = canonicalise(value)
                self._entities.put(judged.joined.entities, kept)
            return kept
        return canonicalise(value)

    def _form(self, judged: Judged, own: Sequence[str]) -> Form:
        """The members that follow from the key of the judgement, where it has one, with room
        for its own."""
        key = None if judged.key is None else (judged.key, *own)
        kept = None if key is None else self._forms.get(key)
        if kept is None:
            is_shared = key is not None and judged.decision.is_of_rules_alone
            kept = self._shared_form(judged, own) if is_shared else self._new_form(judged, own)
            if key is not None:
                self._forms.put(key, kept)
        return kept

    def _shared_form(self, judged: Judged, own: Sequence[str]) -> Form:
        """The same of a decision that questions with other facts share."""
        said = judged.engines_said()
        key = (id(judged.decision), *own)
        kept = self._shared.get(key)
        if kept is None or kept[0] is not judged.decision or kept[1] != said:
            kept = (judged.decision, said, self._new_form(judged, own))
            self._shared.put(key, kept)
        return kept[2]

    def _new_form(self, judged: Judged, own: Sequence[str]) -> Form:
        settled = self._parts.decision(judged.decision)
        settled["engines"] = spelled_engines(tuple(judged.engines_said().items()))
        # Evidence, where there is some, is what differs.
        constant = {name: text for name, text in self._constant.items() if name not in own}
        return Form({**constant, **settled}, own)

    def _fact(self, fact: FactType, value: Value, origin: Origin) -> bytes:
        if origin is not Origin.CATALOGUE:
            # Nothing that a caller says is kept: its words are spelled from those of the
            # vocabulary, where it has them, and else anew.
            whole = self._whole(fact).get(value) if origin is fact.origin else None
            if whole is not None:
                return whole
            words = self._words_of(fact)
            return _fact(fact, origin, _from_words(words, value) or _value(fact, value))
        # 1 and True are one key, and two values of a fact; but a fact has one kind.
        key = (fact.path, value)
        kept = self._facts.get(key)
        if kept is None:
            kept = _fact(fact, origin, _value(fact, value))
            self._facts.put(key, kept)
        return kept

    def _whole(self, fact: FactType) -> Mapping[Value, bytes]:
        """By value, what a fact can say in one word of the vocabulary, or as a truth. 1 and
        True are one key, but of a fact that is no truth there is neither."""
        wholes = self._wholes.get(fact.path)
        if wholes is None:
            values: tuple[Value, ...] = ()
            if fact.kind is Kind.TRUTH:
                values = (False, True)
            elif fact.kind is Kind.TERM:
                values = tuple(fact.values or ())
            wholes = dict[Value, bytes]()
            for value in values:
                wholes[value] = _fact(fact, fact.origin, _value(fact, value))
            self._wholes[fact.path] = wholes
        return wholes

    def _words_of(self, fact: FactType) -> Members:
        words = self._words.get(fact.path)
        if words is None:
            words = {word: canonicalise(word) for word in fact.values or ()}
            self._words[fact.path] = words
        return words


def _from_words(words: Members, value: Value) -> bytes | None:
    """A truth, a term or a set of terms; None where it is none of the vocabulary."""
    if value is True:
        return b"true"
    if value is False:
        return b"false"
    if isinstance(value, str):
        return words.get(value)
    if words and isinstance(value, tuple):
        try:
            return b"[%b]" % b",".join([words[word] for word in value])
        except KeyError:
            return None
    return None


def _value(fact: FactType, value: Value) -> bytes:
    return canonicalise(wire_value(fact, value))


def _fact(fact: FactType, origin: Origin, value: bytes) -> bytes:
    return b"".join((_before(fact.path, origin.name), value, b"}"))


@lru_cache(maxsize=4096)
def _before(path: str, origin: str) -> bytes:
    """A fact up to its value, which is last by name as well."""
    return b'{"origin":%b,"path":%b,"value":' % (
        canonicalise(Origin[origin].value),
        canonicalise(path),
    )


def answer_text(predicate: bytes, record: bytes, proof: str) -> bytes:
    """The answer as it is sent: the predicate, member for member, its record and its proof.

    Args:
        predicate: As `Speller.predicate` gives it.
        record: The envelope in RFC 8785.
    """
    return b"".join(
        (predicate[:-1], b',"record":', record, b',"proof":', canonicalise(proof), b"}")
    )
