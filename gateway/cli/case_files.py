"""Case files: examples that stand beside a charter, `NAME.cases.toml`.

What a case means is what an example in the charter means (`dsl.examples`); its form is in
the help of `charter test`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dsl import model
from dsl.compile import Compiled
from dsl.parse import parse
from dsl.source import SourceText, not_utf8
from gateway.cli.case_reader import CaseReader, Scope
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError

SUFFIX = ".cases.toml"
MAX_BYTES = 1024 * 1024


class CaseFileError(ConfigurationError):
    """Case files cannot be read; `problems` has a line for each thing to mend."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems[0])
        self.problems = tuple(problems)


def with_case_files(compiled: Compiled) -> model.Model:
    """The model whose examples are the cases of the files beside its charters, and no
    others. Charters that were imported from the installed pack have theirs there.

    Raises:
        CaseFileError: A file cannot be read, or names what is not there.
    """
    checked, _ = compiled.require()
    problems: list[str] = []
    carriers: list[model.Rule] = []
    for source in compiled.sources:
        path = Path(source.path or source.name)
        file = path.with_name(path.name.removesuffix(".charter") + SUFFIX)
        if path.name.endswith(".charter") and file.exists():
            carriers += _carriers(file, source, checked, problems)
    if problems:
        raise CaseFileError(problems)
    return replace(checked, rules=tuple(carriers))


def stray_files(paths: Iterable[Path], compiled: Compiled) -> list[Path]:
    """Case files below folders that stand beside no charter: a charter that was renamed
    leaves its cases behind, and nobody notices that they do not run."""
    homes = {Path(source.path or source.name).resolve() for source in compiled.sources}
    found = {file for path in paths if path.is_dir() for file in path.rglob(f"*{SUFFIX}")}
    return [
        file
        for file in sorted(found)
        if file.with_name(file.name.removesuffix(SUFFIX) + ".charter").resolve() not in homes
    ]


def _carriers(
    file: Path, source: SourceText, checked: model.Model, problems: list[str]
) -> list[model.Rule]:
    """Rules that carry the cases of a file as their examples; two at most, for cases on
    actions that the charter itself permits and on others."""
    text = _read(file)
    charter = parse(source).charter
    rules = tuple(r for r in checked.rules if charter and r.charter == charter.name.text)
    if charter is None or not rules:
        problems.append(f"{file}: the charter beside it has no rules for cases to run on")
        return []
    scope = Scope(
        charter,
        checked,
        rules,
        frozenset(o.obligation for r in rules for o in _duties(r)),
        tuple(sorted({action for rule in rules for action in rule.actions})),
    )
    reader = CaseReader(file, SourceText(file.name, text, str(file)), scope, problems)
    permitting = {a for r in rules if r.effect is model.Effect.PERMIT for a in r.actions}
    examples = list(reader.examples())
    split = [
        (model.Effect.PERMIT, [e for e in examples if e.actions[0] in permitting]),
        (model.Effect.FORBID, [e for e in examples if e.actions[0] not in permitting]),
    ]
    name = f"{charter.name.text}/{file.name}"
    return [
        replace(rules[0], id=name, effect=effect, exceptions=(), obliges=(), examples=tuple(some))
        for effect, some in split
        if some
    ]


def _duties(rule: model.Rule) -> Iterator[model.Oblige]:
    yield from rule.obliges
    for exception in rule.exceptions:
        yield from exception.obliges


def _read(file: Path) -> str:
    data = read_file(file, limit=MAX_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: {not_utf8(data)}") from error
