"""Stage 3, the facts that a typed rule reads."""

from collections.abc import Iterator

from dsl import model


def reads(rule: model.Rule) -> frozenset[str]:
    """The paths of all facts in the conditions of a rule and its exceptions."""
    conditions = [rule.when, rule.require, *(exception.when for exception in rule.exceptions)]
    return frozenset(test.fact.path for one in conditions if one is not None for test in tests(one))


def tests(condition: model.Condition) -> Iterator[model.Test]:
    """The tests of a condition, from left to right."""
    match condition:
        case model.And(operands) | model.Or(operands):
            for operand in operands:
                yield from tests(operand)
        case model.Not(operand):
            yield from tests(operand)
        case model.Each(_, operands):
            yield from operands
        case model.Test():
            yield condition
        case model.Today():
            pass
