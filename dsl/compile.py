"""Source in, program and diagnostics out: the column of stages, in order.

    text → tree → model → core

`PASSES` names the stages; each is one module. Back-ends take the core from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsl.check import check
from dsl.codes import Code
from dsl.core import Program, atoms
from dsl.diagnostics import Diagnostic, Label, Severity, quoted
from dsl.errors import CompilationFailedError
from dsl.found import MAX_DIAGNOSTICS, Found
from dsl.lower import lower
from dsl.model import Model
from dsl.parse import Parsed, parse
from dsl.resolve import resolve
from dsl.source import SourceText
from dsl.tree import Charter
from dsl.uncollected import uncollected

# A third of what Cedar's evaluator was seen to take.
MAX_ATOMS = 500

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
    with uncollected():
        return _compile(sources)


def _compile(sources: Sequence[SourceText]) -> Compiled:
    ordered = tuple(sorted(sources, key=lambda source: (source.name, source.text)))
    parsed = [parse(source) for source in ordered]
    unread = [diagnostic for result in parsed for diagnostic in result.diagnostics]
    found = Found()
    resolved = resolve(_complete(parsed), found)
    checked = check(resolved, found)
    if unread:
        # A warning of the others would hide among errors, and may not even be true.
        found.diagnostics = [d for d in found.diagnostics if d.severity is Severity.ERROR]
    diagnostics = _sorted([*unread, *found.diagnostics])
    if unread or found.errors:
        return Compiled(ordered, diagnostics, None, None)
    program = lower(checked)
    too_large = _sorted(list(_too_large(checked, program)))
    if too_large:
        return Compiled(ordered, too_large, None, None)
    return Compiled(ordered, diagnostics, checked, program)


def _too_large(checked: Model, program: Program) -> Iterator[Diagnostic]:
    """Rules beyond what every engine evaluates: Cedar gives up on very long formulas, and it
    does so only when it is asked."""
    spans = {rule.id: rule.span for rule in checked.rules}
    for rule in program.rules:
        parts = [rule.formula, *(duty.condition for duty in rule.duties)]
        size = max(sum(1 for _ in atoms(part)) for part in parts)
        if size > MAX_ATOMS:
            yield Diagnostic(
                Code.TOO_LARGE,
                f"the rule {quoted(spans[rule.id].text)} comes to {size:,} comparisons, "
                f"more than {MAX_ATOMS}",
                (Label(spans[rule.id]),),
                ("every member of a zone with dates of its own counts as one",),
                "make several rules of it",
            )


def _complete(parsed: Sequence[Parsed]) -> list[Charter]:
    """The charters that import, directly or not, nothing that could not be read. Names
    from a file with syntax errors would all seem unknown: one cause, one message."""
    charters = [result.charter for result in parsed if result.charter is not None]
    if len(charters) == len(parsed):
        return charters
    importers: dict[str, list[Charter]] = {}
    names = {charter.name.text for charter in charters}
    for charter in charters:
        for word in charter.imports:
            importers.setdefault(word.text, []).append(charter)
    lost = [name for name in importers if name not in names]
    incomplete: set[str] = set()
    while lost:
        for charter in importers.get(lost.pop(), []):
            if charter.name.text not in incomplete:
                incomplete.add(charter.name.text)
                lost.append(charter.name.text)
    return [charter for charter in charters if charter.name.text not in incomplete]


def _sorted(found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(set(found), key=Diagnostic.sort_key)[:MAX_DIAGNOSTICS])
