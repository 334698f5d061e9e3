"""Source in, program and diagnostics out: the column of stages, in order.

    text → tree → model → core

`PASSES` names the stages; each is one module. Back-ends take the core from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dsl.check import check
from dsl.core import Program
from dsl.diagnostics import Diagnostic, Severity
from dsl.errors import CompilationFailedError
from dsl.lower import lower
from dsl.model import Model
from dsl.parse import parse
from dsl.resolve import resolve
from dsl.source import SourceText

PASSES = ("parse", "build_tree", "resolve", "check", "lower")


@dataclass(frozen=True)
class Compiled:
    """What came of a set of charters. `model` and `program` are None where there are
    errors; warnings stand beside a program."""

    sources: tuple[SourceText, ...]
    diagnostics: tuple[Diagnostic, ...]
    model: Model | None
    program: Program | None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)

    def require(self) -> tuple[Model, Program]:
        """The model and the program.

        Raises:
            CompilationFailedError: The charters have errors.
        """
        if self.model is None or self.program is None:
            raise CompilationFailedError(self.errors)
        return self.model, self.program


def compile_charters(sources: Sequence[SourceText]) -> Compiled:
    """All charters of a bundle together, in any order; every independent mistake in them,
    in the order of the sources' names and places."""
    ordered = tuple(sorted(sources, key=lambda source: source.name))
    parsed = [parse(source) for source in ordered]
    found = [diagnostic for result in parsed for diagnostic in result.diagnostics]
    charters = [result.charter for result in parsed if result.charter is not None]
    if found:
        # Names of a file that cannot be read would all seem unknown: one cause, one message.
        return Compiled(ordered, _sorted(found), None, None)
    resolved = resolve(charters)
    checked, more = check(resolved)
    found = [*resolved.diagnostics, *more]
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        return Compiled(ordered, _sorted(found), None, None)
    return Compiled(ordered, _sorted(found), checked, lower(checked))


def _sorted(found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(set(found), key=Diagnostic.sort_key))
