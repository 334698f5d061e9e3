"""What a model means, without lowering: the oracle for `dsl.lower`.

Written from the table of meaning, not from the compiler: zones by asking on the day
whether each element belongs, exceptions and `require` as they stand, unknown as `None`.
"""

from collections.abc import Iterable, Mapping

from dsl import model
from dsl.core import InForce
from dsl.evaluate import Answer
from dsl.facts import Question, Value
from dsl.model import Effect
from dsl.tree import Relation

Kleene = bool | None


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


def in_force(period: InForce, today: Mapping[str, int]) -> bool:
    day = today[period.time_zone]
    begun = period.first is None or day >= period.first
    ended = period.last is not None and day > period.last
    return begun and not ended


def belongs(value: str, region: model.Region, today: Mapping[str, int]) -> bool:
    """Whether a value is a member of a region on the day."""
    if value not in region.members:
        return False
    periods = region.members[value]
    return not periods or any(in_force(period, today) for period in periods)


# --- conditions ----------------------------------------------------------------------


def holds(condition: model.Condition | None, question: Question) -> Kleene:
    match condition:
        case None:
            return True
        case model.And(operands):
            return both(holds(operand, question) for operand in operands)
        case model.Or(operands):
            return either(holds(operand, question) for operand in operands)
        case model.Not(operand):
            return opposite(holds(operand, question))
        case model.Test():
            value = question.facts.get(condition.fact.path)
            if value is None:
                return unknown(condition, question.today)
            return test(condition, value, question.today)


def unknown(asked: model.Test, today: Mapping[str, int]) -> Kleene:
    """The value of a test of a fact that nobody knows: nothing touches a zone of which no
    member belongs on the day."""
    if asked.relation is not Relation.TOUCHES or asked.region is None:
        return None
    region = asked.region
    return None if any(belongs(one, region, today) for one in region.members) else False


def test(asked: model.Test, value: Value, today: Mapping[str, int]) -> bool:
    if isinstance(value, bool):
        return value is not asked.negated_truth
    if isinstance(value, int):
        return number(asked.relation, value, asked.bound)
    assert asked.region is not None
    region = asked.region
    if isinstance(value, str):
        inside = belongs(value, region, today)
        return not inside if asked.relation is Relation.IS_NOT else inside
    if asked.relation is Relation.WITHIN:
        return all(belongs(one, region, today) for one in value)
    return any(belongs(one, region, today) for one in value)


def number(relation: Relation, value: int, bound: int | None) -> bool:
    assert bound is not None
    return {
        Relation.IS: value == bound,
        Relation.IS_NOT: value != bound,
        Relation.AT_LEAST: value >= bound,
        Relation.AT_MOST: value <= bound,
        Relation.MORE_THAN: value > bound,
        Relation.LESS_THAN: value < bound,
    }[relation]


# --- rules ---------------------------------------------------------------------------


def excepted(exception: model.Exceptional, question: Question) -> Kleene:
    return both([in_force(exception.in_force, question.today), holds(exception.when, question)])


def reached(rule: model.Rule, question: Question) -> Kleene:
    return both([in_force(rule.in_force, question.today), holds(rule.when, question)])


def unmet(rule: model.Rule, question: Question) -> Kleene:
    """Whether the rule reaches the question and its requirement is not met."""
    required = [opposite(holds(rule.require, question))] if rule.require is not None else []
    return both([reached(rule, question), *required])


def value(rule: model.Rule, question: Question) -> Kleene:
    """Whether a prohibition is broken, a permission grants."""
    ways_out = (opposite(excepted(exception, question)) for exception in rule.exceptions)
    return both([unmet(rule, question), *ways_out])


def duties(rule: model.Rule, question: Question) -> set[str]:
    refuses = rule.effect in (Effect.FORBID, Effect.REQUIRE)
    owed = reached(rule, question) if refuses else value(rule, question)
    found = {f"{rule.id}#{o.obligation}" for o in rule.obliges if owed is not False}
    for exception in rule.exceptions:
        if both([unmet(rule, question), excepted(exception, question)]) is not False:
            found |= {f"{exception.id}#{o.obligation}" for o in exception.obliges}
    return found


def answer(checked: model.Model, question: Question) -> Answer:
    """What every engine must say of a question."""
    rules = [rule for rule in checked.rules if question.action in rule.actions]
    refusing = [r for r in rules if r.effect in (Effect.FORBID, Effect.REQUIRE)]
    permitting = [r for r in rules if r.effect is Effect.PERMIT]
    denied = frozenset(r.id for r in refusing if value(r, question) is not False)
    granted = frozenset(r.id for r in permitting if value(r, question) is True)
    if granted and not denied:
        owed = frozenset[str]().union(*(duties(rule, question) for rule in rules))
        return Answer(denied, granted, duties=owed)
    return Answer(
        denied,
        frozenset() if denied else granted,
        broken=frozenset(r.id for r in refusing if value(r, question) is True),
        open=frozenset(r.id for r in permitting if value(r, question) is not False),
    )
