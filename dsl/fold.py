"""Rewrites of core that keep its meaning: constants folded away, one action at a time.

Only laws that hold in three-valued logic are used: false absorbs a conjunction, true
absorbs a disjunction, neutral and repeated operands drop out, nesting flattens.
`a and not a` stays as it is, for it is unknown where `a` is.
"""

from collections.abc import Iterable
from dataclasses import replace

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    Effect,
    Holds,
    InForce,
    Not,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
)


def fold(condition: Condition) -> Condition:
    """The condition without constants inside: a `Constant`, or free of them."""
    match condition:
        case InForce(_, first, last):
            return _fold_interval(condition, first, last)
        case Not(operand):
            inner = fold(operand)
            return Constant(not inner.value) if isinstance(inner, Constant) else condition
        case And(operands):
            return _fold_operands(operands, absorbing=False)
        case Or(operands):
            return _fold_operands(operands, absorbing=True)
        case _:
            return condition


def _fold_interval(condition: InForce, first: int | None, last: int | None) -> Condition:
    if first is None and last is None:
        return Constant(True)
    if first is not None and last is not None and first > last:
        return Constant(False)
    return condition


def _fold_operands(operands: Iterable[Condition], *, absorbing: bool) -> Condition:
    kind = Or if absorbing else And
    kept: dict[Condition, None] = {}  # a set that remembers the order
    for operand in operands:
        folded = fold(operand)
        if isinstance(folded, Constant):
            if folded.value is absorbing:
                return folded
        elif isinstance(folded, kind):
            kept.update(dict.fromkeys(folded.operands))
        else:
            kept[folded] = None
    if not kept:
        return Constant(not absorbing)
    return next(iter(kept)) if len(kept) == 1 else kind(tuple(kept))


def fold_program(program: Program) -> Program:
    """The program with every formula and duty folded; its answers are the same."""
    return replace(program, rules=tuple(_fold_rule(rule) for rule in program.rules))


def _fold_rule(rule: Rule) -> Rule:
    duties = tuple(replace(duty, condition=fold(duty.condition)) for duty in rule.duties)
    # A rule that only carries duties neither breaks nor grants, whatever its formula.
    formula = Constant(False) if rule.effect is Effect.OBLIGE else fold(rule.formula)
    return replace(rule, formula=formula, duties=duties)


def slice_by_action(program: Program, action: str) -> Program:
    """What of the program can bear on one action: its rules, and the facts they read.

    Questions about that action get the answers of the whole program; engines that look
    at every rule in turn are spared the others.
    """
    rules = tuple(rule for rule in program.rules if action in rule.actions)
    part = replace(program, rules=rules)
    read = paths_read(part)
    return replace(part, facts={path: fact for path, fact in program.facts.items() if path in read})


def paths_read(program: Program) -> frozenset[str]:
    """The paths of the facts that some rule or duty reads."""
    return frozenset(
        atom.path
        for atom in program.atoms()
        if isinstance(atom, Holds | OneOf | Within | Touches | AtLeast)
    )
