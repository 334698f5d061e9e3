"""Rewrites of core that keep its meaning: constants folded away, one action at a time, some
facts taken as known.

Only laws that hold in three-valued logic are used: false absorbs a conjunction, true
absorbs a disjunction, neutral and repeated operands drop out, nesting flattens.
`a and not a` stays as it is, for it is unknown where `a` is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from dsl.core import (
    PROFILE_PATH,
    And,
    Atom,
    Condition,
    Constant,
    Effect,
    InForce,
    Not,
    NotBefore,
    Or,
    Program,
    Rule,
)
from dsl.derive import inputs
from dsl.evaluate import truth
from dsl.facts import Question, Value
from dsl.kleene import Truth


def fold(condition: Condition) -> Condition:
    """The condition without constants inside: a `Constant`, or free of them."""
    return _fold(condition, lambda atom: atom)


def assume(condition: Condition, facts: Mapping[str, Value]) -> Condition:
    """The condition where these facts are known: its value under them and any others is the
    value of the original. A date among them that is compared with today stays."""
    question = Question("", facts, {})

    def known(atom: Atom) -> Atom:
        if isinstance(atom, InForce | Constant | NotBefore) or atom.path not in facts:
            return atom
        value = truth(atom, question)
        return atom if value is Truth.UNKNOWN else Constant(value is Truth.TRUE)

    return _fold(condition, known)


def _fold(condition: Condition, rewrite: Callable[[Atom], Atom]) -> Condition:
    match condition:
        case And(operands):
            return _fold_operands((_fold(part, rewrite) for part in operands), absorbing=False)
        case Or(operands):
            return _fold_operands((_fold(part, rewrite) for part in operands), absorbing=True)
        case Not(operand):
            inner = _fold_atom(rewrite(operand))
            return Constant(not inner.value) if isinstance(inner, Constant) else Not(inner)
        case _:
            return _fold_atom(rewrite(condition))


def _fold_atom(atom: Atom) -> Atom:
    match atom:
        case InForce(_, None, None):
            return Constant(True)
        case InForce(_, int(first), int(last)) if first > last:
            return Constant(False)
        case _:
            return atom


def _fold_operands(operands: Iterable[Condition], *, absorbing: bool) -> Condition:
    kind = Or if absorbing else And
    kept: dict[Condition, None] = {}  # a set that remembers the order
    for folded in operands:
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


# --- programs ------------------------------------------------------------------------


def fold_program(program: Program) -> Program:
    """The program with every formula and duty folded; its answers are the same."""
    return replace(program, rules=tuple(_fold_rule(rule) for rule in program.rules))


def _fold_rule(rule: Rule) -> Rule:
    duties = tuple(replace(duty, condition=fold(duty.condition)) for duty in rule.duties)
    # A rule that only carries duties neither breaks nor grants, whatever its formula.
    formula = Constant(False) if rule.effect is Effect.OBLIGE else fold(rule.formula)
    return replace(rule, formula=formula, duties=duties)


def without_profiles(program: Program) -> Program:
    """The program for a caller whose profile has every charter in force, and who has every
    profile's permission: what the charters say by themselves."""
    rules = tuple(_every_profile(rule) for rule in program.rules)
    facts = {path: fact for path, fact in program.facts.items() if path != PROFILE_PATH}
    invariants = tuple(
        replace(i, condition=_fold(i.condition, _true_of_profiles)) for i in program.invariants
    )
    return replace(program, rules=rules, facts=facts, profiles=(), invariants=invariants)


def _every_profile(rule: Rule) -> Rule:
    notes = tuple(
        replace(note, condition=_fold(note.condition, _true_of_profiles))
        for note in rule.exceptions
    )
    duties = tuple(
        replace(duty, condition=_fold(duty.condition, _true_of_profiles)) for duty in rule.duties
    )
    formula = _fold(rule.formula, _true_of_profiles)
    return replace(rule, formula=formula, exceptions=notes, duties=duties)


def _true_of_profiles(atom: Atom) -> Atom:
    is_profile = not isinstance(atom, InForce | Constant) and atom.path == PROFILE_PATH
    return Constant(True) if is_profile else atom


def slice_by_action(program: Program, action: str) -> Program:
    """What of the program can bear on one action: its rules, the facts they read, and what
    those are derived from.

    Questions about that action get the answers of the whole program; engines that look
    at every rule in turn are spared the others.
    """
    rules = tuple(rule for rule in program.rules if action in rule.actions)
    part = replace(program, rules=rules, invariants=())
    read = paths_read(part)
    derived = {path: d for path, d in program.derived.items() if path in read}
    needed = read.union(*(inputs(derivation) for derivation in derived.values()))
    return replace(
        part,
        facts={path: fact for path, fact in program.facts.items() if path in needed},
        lists={path: listed for path, listed in program.lists.items() if path in needed},
        derived=derived,
    )


def paths_read(program: Program) -> frozenset[str]:
    """The paths of the facts that some rule, exception or duty reads."""
    return frozenset(
        atom.path for atom in program.atoms() if not isinstance(atom, InForce | Constant)
    )
