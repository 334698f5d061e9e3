"""The charters that a command line names: read, compiled, and with the catalogue against
which their examples run."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dsl.compile import Compiled, compile_charters
from dsl.core import Program
from dsl.source import SourceText
from gateway import bundle
from gateway.errors import ConfigurationError
from gateway.pdp import catalogue

CASES = ".cases.toml"
_SITES = "sites.toml"

Fixtures = dict[str, dict[str, dict[str, object]]]


def named(paths: Sequence[Path]) -> list[Path]:
    """The files and folders named, or the installed pack."""
    return list(paths) or [bundle.PACK]


def compile_paths(paths: Sequence[Path]) -> Compiled:
    """The charters below folders and in files, compiled together with what they import
    from the installed pack.

    Raises:
        ConfigurationError: There is none, or one cannot be read as UTF-8.
    """
    return compile_charters(bundle.with_imports(_read(named(paths))))


def _read(paths: Sequence[Path]) -> list[SourceText]:
    for path in paths:
        if path.name.endswith(CASES):
            beside = path.with_name(path.name.removesuffix(CASES) + ".charter")
            raise ConfigurationError(f"{path} holds cases: name the charter, {beside}")
    if len(paths) == 1:
        return bundle.read_sources(paths[0])
    found: dict[Path, SourceText] = {}
    for path in paths:
        for source in bundle.read_sources(path):
            found.setdefault(Path(source.path).resolve(), source)
    if len(found) > bundle.MAX_FILES:
        raise ConfigurationError(f"more than {bundle.MAX_FILES} charters")
    # Named by their place below what they have in common, so that names are unique.
    common = Path(os.path.commonpath([path.parent for path in found]))
    return [
        replace(source, name=path.relative_to(common).as_posix()) for path, source in found.items()
    ]


def fixtures_of(
    paths: Sequence[Path], given: Path | None, compiled: Compiled, program: Program
) -> Fixtures:
    """The catalogue of the command line; else those beside the charters, together; else
    that of the pack, where charters of the pack were imported."""
    if given is not None:
        return catalogue.load(given, program).raw_facts()
    places = [path if path.is_dir() else path.parent for path in named(paths)]
    files = {(place / "fixtures" / _SITES).resolve(): None for place in places}
    present = [file for file in files if file.exists()]
    if not present and bundle.uses_pack(compiled):
        present = [bundle.PACK / "fixtures" / _SITES]
    together: Fixtures = {}
    for file in present:
        for entity, rows in catalogue.load(file, program).raw_facts().items():
            known = together.setdefault(entity, {})
            for row, facts in rows.items():
                if known.setdefault(row, facts) != facts:
                    raise ConfigurationError(
                        f"{file}: the {entity} `{row}` stands in another catalogue with other "
                        "facts; give --fixtures"
                    )
    return together
