"""Parts of an answer that follow from rules: spelled once for each rule, with room for what a
question adds.

What is kept is the bundle's own: titles, citations, reasons why. Nothing of a question is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from dsl.core import FactType, Origin
from dsl.facts import Value
from gateway.pdp.decision import Decision, Ground, Obligation, Preference, Reason
from gateway.record.canonical import canonicalise, spell_name

Members = Mapping[str, bytes]
SpellFact = Callable[[FactType, Value, Origin], bytes]
T = TypeVar("T")


class Form:
    """An object in RFC 8785 of which some members are spelled already, and others come."""

    def __init__(self, spelled: Members, to_come: Iterable[str]) -> None:
        names = sorted({*spelled, *to_come})
        self._parts: list[tuple[bytes, str]] = []
        text = b"{"
        for number, name in enumerate(names):
            text += (b"," if number else b"") + spell_name(name)
            if name in spelled:
                text += spelled[name]
            else:
                self._parts.append((text, name))
                text = b""
        self._end = text + b"}"

    def fill(self, members: Members) -> bytes:
        """The object, with the members that were to come."""
        return b"".join(self.pieces(members)[0])

    def pieces(
        self, members: Members, to_come: Sequence[str] = ()
    ) -> tuple[list[bytes], list[int]]:
        """The same in pieces, which `fill` joins; and the places in them of members that are
        still to come, in the order in which these are named."""
        pieces: list[bytes] = []
        places: dict[str, int] = {}
        for text, name in self._parts:
            pieces.append(text)
            if name in to_come:
                places[name] = len(pieces)
                pieces.append(b"")
            else:
                pieces.append(members[name])
        pieces.append(self._end)
        return pieces, [places[name] for name in to_come]


class Parts:
    """Spells decisions of one bundle.

    Args:
        fact: Spells a fact.
    """

    def __init__(self, fact: SpellFact) -> None:
        self._fact = fact
        # By what it is and the id of the rule or duty, with what it was made of.
        self._forms: dict[tuple[str, str], tuple[object, Form]] = {}

    def decision(self, decision: Decision) -> dict[str, bytes]:
        """The members of `Decision.body`."""
        return {
            "decision": canonicalise(decision.outcome.value),
            "grounds": _listed(self._ground, decision.grounds),
            "reasons": _listed(self._reason, decision.reasons),
            "missing": _listed(lambda item: canonicalise(item.body()), decision.missing),
            "obligations": _listed(self._duty, decision.obligations),
            "advice": _listed(self._duty, decision.advice),
            "preference": canonicalise(sum(p.rule.weight for p in decision.preferences)),
            "preferences": _listed(self._preference, decision.preferences),
            "warnings": _listed(self._reason, decision.warnings),
            "shadow": _listed(self._reason, decision.shadow),
        }

    def _ground(self, ground: Ground) -> bytes:
        form = self._form("ground", ground.rule, ground.citations, ground.body, ())
        return form.fill({})

    def _preference(self, preference: Preference) -> bytes:
        rule = preference.rule
        return self._form("preference", rule.id, rule, preference.body, ()).fill({})

    def _duty(self, duty: Obligation) -> bytes:
        form = self._form("duty", duty.duty.id, duty.duty, duty.body, ("due",))
        due = duty.due
        if due is None or isinstance(due, datetime):
            return form.fill({"due": canonicalise(duty.body()["due"])})
        return form.fill({"due": canonicalise(due.isoformat())})

    def _reason(self, reason: Reason) -> bytes:
        rule = reason.rule
        form = self._form("reason", rule.id, rule, reason.body, ("status", "facts"))
        facts = [self._fact(fact.type, fact.value, fact.origin) for fact in reason.facts]
        status = canonicalise(reason.status)
        return form.fill({"status": status, "facts": b"[%b]" % b",".join(facts)})

    def _form(
        self,
        kind: str,
        name: str,
        made_of: object,
        body: Callable[[], Mapping[str, object]],
        to_come: tuple[str, ...],
    ) -> Form:
        kept = self._forms.get((kind, name))
        if kept is None or kept[0] is not made_of:
            spelled = {
                member: canonicalise(value)
                for member, value in body().items()
                if member not in to_come
            }
            kept = self._forms[kind, name] = (made_of, Form(spelled, to_come))
        return kept[1]


def _listed(spell: Callable[[T], bytes], items: Iterable[T]) -> bytes:
    return b"[%b]" % b",".join([spell(item) for item in items])


@lru_cache(maxsize=256)
def spelled_engines(said: tuple[tuple[str, str], ...]) -> bytes:
    """What each engine said, by its name."""
    return canonicalise(dict(said))
