"""Which facts matter to which questions: what the rules of an action read."""

from collections.abc import Iterable, Iterator, Mapping

from dsl.core import Program
from dsl.derive import inputs
from dsl.fold import paths_read, slice_by_action


def read_by_action(program: Program) -> Mapping[str, frozenset[str]]:
    """The facts and lists that the rules of each action read, or derived facts that they do."""
    return {
        action: frozenset(_with_inputs(program, paths_read(slice_by_action(program, action))))
        for action in program.actions
    }


def _with_inputs(program: Program, paths: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    left = list(paths)
    while left:
        path = left.pop()
        if path not in seen:
            seen.add(path)
            yield path
            left += inputs(program.derived[path]) if path in program.derived else ()
