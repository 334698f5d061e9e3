"""What a model means, without lowering: the oracle for `dsl.facts`, `dsl.derive` and `dsl.lower`.

Written from the table of meaning, not from the compiler: levels by their place in the
order, maps key by key, zones by asking on the day whether each element belongs, exceptions
and `require` as they stand, unknown as `None`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from dsl import model
from dsl.core import PROFILE_PATH, InForce, Level
from dsl.evaluate import Answer
from dsl.model import Effect
from dsl.tree import Relation
from tests.dsl.naive_facts import (
    Asked,
    Facts,
    Kleene,
    Known,
    Value,
    date_relation,
    day_of,
    later,
    number_relation,
)

Today = Mapping[str, int]


def both(values: Iterable[Kleene]) -> Kleene:
    listed = list(values)
    if False in listed:
        return False
    return None if None in listed else True


def either(values: Iterable[Kleene]) -> Kleene:
    listed = list(values)
    if True in listed:
        return True
    return None if None in listed else False


def opposite(value: Kleene) -> Kleene:
    return None if value is None else not value


# --- days ----------------------------------------------------------------------------


def in_force(period: InForce, today: Today) -> bool:
    day = today[period.time_zone]
    begun = period.first is None or day >= period.first
    ended = period.last is not None and day > period.last
    return begun and not ended


def belongs(value: str, region: model.Region, today: Today) -> bool:
    """Whether a value is a member of a region on the day."""
    if value not in region.members:
        return False
    periods = region.members[value]
    return not periods or any(in_force(period, today) for period in periods)


# --- conditions ----------------------------------------------------------------------


def holds(condition: model.Condition | None, facts: Facts, today: Today) -> Kleene:
    match condition:
        case None:
            return True
        case model.And(operands):
            return both(holds(operand, facts, today) for operand in operands)
        case model.Or(operands):
            return either(holds(operand, facts, today) for operand in operands)
        case model.Not(operand):
            return opposite(holds(operand, facts, today))
        case model.Each(every, tests):
            values = [holds(asked, facts, today) for asked in tests]
            return both(values) if every else either(values)
        case model.Today(interval):
            return in_force(interval, today)
        case model.Test():
            return test(condition, facts.get(condition.fact.path), today)


def test(asked: model.Test, value: Value | None, today: Today) -> Kleene:
    if asked.relation is Relation.KNOWN:
        return value is not None
    if asked.relation is Relation.NOT_KNOWN:
        return value is None
    if value is None:
        return unknown(asked, today)
    if isinstance(value, bool):
        return value is not asked.negated_truth
    if isinstance(value, Fraction):
        assert asked.bound is not None
        bound = Fraction(asked.bound, 10**asked.fact.scale)
        return number_relation(asked.relation, value, bound)
    if isinstance(value, date):
        return dated(asked, value, today)
    return member(asked, value, today)


def unknown(asked: model.Test, today: Today) -> Kleene:
    """The value of a test of a fact that nobody knows: nothing touches a zone of which no
    member belongs on the day."""
    touching = asked.relation in (Relation.TOUCHES, Relation.HAS)
    if not touching or asked.region is None:
        return None
    region = asked.region
    return None if any(belongs(one, region, today) for one in region.members) else False


def member(asked: model.Test, value: str | frozenset[str], today: Today) -> bool:
    assert asked.region is not None
    region = asked.region
    if isinstance(value, frozenset):
        inside = [belongs(one, region, today) for one in value]
        return all(inside) if asked.relation is Relation.WITHIN else any(inside)
    if asked.relation in LEVEL_WORDS:
        (level,) = region.members
        order = asked.fact.order
        place = Fraction(order.index(value))
        return number_relation(asked.relation, place, Fraction(order.index(level)))
    inside_it = belongs(value, region, today)
    return not inside_it if asked.relation is Relation.IS_NOT else inside_it


LEVEL_WORDS = (Relation.AT_LEAST, Relation.AT_MOST, Relation.MORE_THAN, Relation.LESS_THAN)


def dated(asked: model.Test, value: date, today: Today) -> bool:
    if asked.relation in (Relation.LAST, Relation.NEXT):
        assert asked.clock is not None
        assert asked.days is not None
        now = day_of(today[asked.clock])
        away = (now - value).days if asked.relation is Relation.LAST else (value - now).days
        return 0 <= away <= asked.days
    assert asked.bound is not None
    if asked.clock is None:
        return date_relation(asked.relation, value, day_of(asked.bound))
    bound = later(day_of(today[asked.clock]), asked.bound)
    assert bound is not None
    return date_relation(asked.relation, value, bound)


# --- rules ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Situation:
    """All that is known of a question, and the charters in force for whoever asks."""

    checked: model.Model
    facts: Facts
    today: Today

    def holds(self, condition: model.Condition | None) -> Kleene:
        return holds(condition, self.facts, self.today)

    def profiled(self, charter: str) -> Kleene:
        """Whether the profile of whoever asks has a charter in force."""
        if not self.checked.profiles:
            return True
        name = self.facts.get(PROFILE_PATH)
        if name is None:
            return None
        return any(p.name == name and charter in p.charters for p in self.checked.profiles)

    def excepted(self, exception: model.Exceptional) -> Kleene:
        return both([in_force(exception.in_force, self.today), self.holds(exception.when)])

    def reached(self, rule: model.Rule) -> Kleene:
        begun = in_force(rule.in_force, self.today)
        return both([self.profiled(rule.charter), begun, self.holds(rule.when)])

    def unmet(self, rule: model.Rule) -> Kleene:
        """Whether the rule reaches the question and its requirement is not met."""
        required = [opposite(self.holds(rule.require))] if rule.require is not None else []
        return both([self.reached(rule), *required])

    def value(self, rule: model.Rule) -> Kleene:
        """Whether a prohibition is broken, a permission grants, a preference applies."""
        ways_out = (opposite(self.excepted(exception)) for exception in rule.exceptions)
        return both([self.unmet(rule), *ways_out])

    def duties(self, rule: model.Rule) -> set[str]:
        owed = self.reached(rule) if _refuses(rule) else self.value(rule)
        found = {f"{rule.id}#{o.obligation}" for o in rule.obliges if owed is not False}
        for exception in rule.exceptions:
            if both([self.unmet(rule), self.excepted(exception)]) is not False:
                found |= {f"{exception.id}#{o.obligation}" for o in exception.obliges}
        return found

    def profile_grants(self, action: str) -> set[str]:
        """What the profile of whoever asks permits, for certain."""
        return {p.id for p in self._profile_permits(action) if self._permit(p) is True}

    def profile_may_grant(self, action: str) -> set[str]:
        return {p.id for p in self._profile_permits(action) if self._permit(p) is not False}

    def _profile_permits(self, action: str) -> list[model.ProfilePermit]:
        return [permit for permit in self.checked.permits if action in permit.actions]

    def _permit(self, permit: model.ProfilePermit) -> Kleene:
        name = self.facts.get(PROFILE_PATH)
        mine = None if name is None else name == permit.profile
        return both([mine, self.holds(permit.when)])


def _refuses(rule: model.Rule) -> bool:
    return rule.effect in (Effect.FORBID, Effect.REQUIRE)


def answer(checked: model.Model, asked: Asked) -> Answer:
    """What every engine must say of a question."""
    it = Situation(checked, Known(checked, asked, holds), asked.today)
    rules = [rule for rule in checked.rules if asked.action in rule.actions]
    enforced = [rule for rule in rules if rule.level is Level.ENFORCE]
    refusing = [rule for rule in enforced if _refuses(rule)]
    permitting = [rule for rule in enforced if rule.effect is Effect.PERMIT]
    denied = frozenset(r.id for r in refusing if it.value(r) is not False)
    granted = {r.id for r in permitting if it.value(r) is True} | it.profile_grants(asked.action)
    noted = frozenset(r.id for r in rules if r.level is not Level.ENFORCE and _notes(it, r))
    if granted and not denied:
        owed = frozenset[str]().union(*(it.duties(rule) for rule in enforced))
        preferring = [rule for rule in rules if rule.effect is Effect.PREFER]
        preferred = frozenset(r.id for r in preferring if it.value(r) is True)
        return Answer(denied, frozenset(granted), duties=owed, preferred=preferred, noted=noted)
    possible = {r.id for r in permitting if it.value(r) is not False}
    return Answer(
        denied,
        frozenset() if denied else frozenset(granted),
        broken=frozenset(r.id for r in refusing if it.value(r) is True),
        open=frozenset(possible | it.profile_may_grant(asked.action)),
        noted=noted,
    )


def _notes(it: Situation, rule: model.Rule) -> bool:
    value = it.value(rule)
    return value is not False if _refuses(rule) else value is True
