"""Mistakes of authors as files: `tests/dsl/mistakes/<what-is-wrong>.charter`, or a folder
of several, and beside it in `.expected` what the author is told."""

from collections.abc import Sequence
from pathlib import Path

from dsl.compile import Compiled, compile_charters
from dsl.diagnostics import Diagnostic
from dsl.source import SourceText

HERE = Path(__file__).parent
FOLDER = HERE / "mistakes"
BASE = SourceText("base.charter", (HERE / "base.charter").read_text(encoding="utf-8"))
MORE = SourceText("more.charter", (HERE / "more.charter").read_text(encoding="utf-8"))


def names() -> list[str]:
    """What is wrong, file by file."""
    return sorted(path.stem for path in FOLDER.iterdir() if path.suffix != ".expected")


def sources(name: str) -> list[SourceText]:
    """The files of a mistake, and the vocabulary that they import or forgot to."""
    folder = FOLDER / name
    paths = sorted(folder.glob("*.charter")) if folder.is_dir() else [FOLDER / f"{name}.charter"]
    # No translation of line ends: they are part of what is tested.
    texts = [(path.name, path.read_bytes().decode("utf-8")) for path in paths]
    files = [SourceText(file, text) for file, text in texts]
    uses_more = "not-imported" in name or any("\nimport more\n" in file.text for file in files)
    return [BASE, *files, MORE] if uses_more else [BASE, *files]


def compiled(name: str) -> Compiled:
    return compile_charters(sources(name))


def mended(files: Sequence[SourceText], diagnostic: Diagnostic) -> list[SourceText]:
    """The files with one fix applied."""
    fix = diagnostic.fix
    assert fix is not None
    changed: list[SourceText] = []
    for file in files:
        text = file.text
        if file.name == fix.span.source.name:
            text = text[: fix.span.start] + fix.text + text[fix.span.end :]
        changed.append(SourceText(file.name, text))
    return changed
