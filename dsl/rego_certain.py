"""What is left of a condition where only certainty is asked for."""

from collections.abc import Collection

from dsl.core import And, Condition, Constant, InForce, Known, Not, OneOf, Or, Touches
from dsl.fold import fold

_NEVER = Constant(False)


def when_certain(condition: Condition) -> Condition:
    """A condition that is certainly true where this one is, without atoms that nothing can
    make true: such an atom is false of any value, and so its denial asks only whether the
    fact is known. Exact because `certainly` commutes with `and` and `or`."""
    return fold(_settled(condition))


def when_certain_without(condition: Condition, unknown: Collection[str]) -> Condition:
    """The same where no question has the facts of these paths. Of a fact that is unknown
    neither an atom nor its denial is certainly true, but that it is not known; and of no fact
    are both, so that what asks for both is never certain."""
    known = _over_known(when_certain(condition), unknown)
    return fold(_without_contradictions(fold(known)))


def _settled(part: Condition) -> Condition:
    match part:
        case And(operands) | Or(operands):
            return type(part)(tuple(_settled(operand) for operand in operands))
        case OneOf(_, ()) | Touches(_, ()):
            return _NEVER
        case Not(OneOf(path, ()) | Touches(path, ())):
            return Known(path)
        case _:
            return part


def _over_known(part: Condition, unknown: Collection[str]) -> Condition:
    match part:
        case And(operands) | Or(operands):
            return type(part)(tuple(_over_known(operand, unknown) for operand in operands))
        case Not(Known(path)) if path in unknown:
            return Constant(True)
        case Not(operand):
            return _NEVER if _path(operand) in unknown else part
        case _:
            return _NEVER if _path(part) in unknown else part


def _path(atom: Condition) -> str | None:
    """The fact that an atom reads."""
    return None if isinstance(atom, And | Or | Not | Constant | InForce) else atom.path


def _without_contradictions(part: Condition) -> Condition:
    match part:
        case And(operands):
            kept = tuple(map(_without_contradictions, operands))
            asked = set(kept)
            if any(isinstance(one, Not) and one.operand in asked for one in kept):
                return _NEVER
            return And(kept)
        case Or(operands):
            return Or(tuple(map(_without_contradictions, operands)))
        case _:
            return part
