"""What a rule names: zones and values, in the order of the text."""

from collections.abc import Iterator

from dsl import tree


def zones_of(written: tree.Rule) -> list[str]:
    """The zones that the rule names, in the order of the text."""
    regions = (t.operand for t in _tests(written) if isinstance(t.operand, tree.Region))
    words = (part for region in regions for part in region.parts if isinstance(part, tree.Word))
    return list(dict.fromkeys(word.text for word in words))


def values_of(written: tree.Rule) -> list[str]:
    """The values that the rule names, in the order of the text."""
    found: dict[str, None] = {}
    for test in _tests(written):
        match test.operand:
            case tree.Word(text):
                found[text] = None
            case tree.Region(parts):
                sets = (part for part in parts if isinstance(part, tree.ValueSet))
                values = (one for part in sets for one in part.values)
                found |= {one.text: None for one in values if isinstance(one, tree.Word)}
            case _:
                pass
    return list(found)


def _tests(written: tree.Rule) -> Iterator[tree.Test]:
    clauses = [*written.clauses, *(c for e in written.exceptions for c in e.clauses)]
    for clause in clauses:
        if isinstance(clause, tree.When | tree.Require):
            yield from _tests_of(clause.condition)


def _tests_of(condition: tree.Condition) -> Iterator[tree.Test]:
    match condition:
        case tree.And(operands) | tree.Or(operands):
            for operand in operands:
                yield from _tests_of(operand)
        case tree.Not(operand):
            yield from _tests_of(operand)
        case tree.Test():
            yield condition
