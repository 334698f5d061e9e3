"""`charter format`: the one layout."""

import difflib
import os
import stat
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dsl.diagnostics import Diagnostic, render_human, render_plain, to_json
from dsl.format import format_text
from dsl.source import SourceText
from gateway.cli import exit_codes, output
from gateway.cli.diagnose import many
from gateway.cli.files import read_file
from gateway.errors import ConfigurationError

# Longer than any charter may be, so that the parser says what is wrong with its length.
MAX_BYTES = 4 * 1024 * 1024
STDIN = "-"


@dataclass
class _Run:
    """What became of the files: how many were read, which were laid out otherwise, and what
    is wrong with those that were left alone."""

    read: int = 0
    changed: list[str] = field(default_factory=list[str])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])


def format_(args: Namespace) -> int:
    """Lay charters out anew, or say which are not laid out.

    Files with syntax errors are left alone and their mistakes told.

    Raises:
        ConfigurationError: A path cannot be read or written.
    """
    paths: Sequence[str] = args.paths
    if STDIN in paths and len(paths) > 1:
        raise ConfigurationError("standard input goes alone: give - without other paths")
    text = args.diff or (STDIN in paths and not args.check)
    if args.format == "json" and text:
        raise ConfigurationError("a text and a diff are no JSON: leave --format json out")
    run = _Run()
    for path in _files(paths):
        _format(path, args, run)
    code = _code(run, args)
    if args.format == "json":
        sys.stdout.write(output.to_json(_body(run, code)))
    else:
        _tell(run, args, quiet=text)
    return code


def _code(run: _Run, args: Namespace) -> int:
    if run.diagnostics:
        return exit_codes.POLICY_ERRORS
    return exit_codes.FAILED if args.check and run.changed else exit_codes.OK


def _body(run: _Run, code: int) -> dict[str, object]:
    diagnostics = [to_json(diagnostic) for diagnostic in run.diagnostics]
    ok = code == exit_codes.OK
    return {"ok": ok, "files": run.read, "changed": run.changed, "diagnostics": diagnostics}


def _tell(run: _Run, args: Namespace, *, quiet: bool) -> None:
    """What became of the files; the names of those that would change are an answer, so they
    went to standard output already."""
    if run.diagnostics and args.format == "plain":
        sys.stderr.write(render_plain(run.diagnostics))
    elif run.diagnostics:
        sys.stderr.write(render_human(run.diagnostics) + "\n")
    elif args.check and run.changed:
        sys.stderr.write(f"{len(run.changed)} of {many(run.read, 'file')} not laid out\n")
    elif args.check:
        sys.stdout.write(f"OK: {many(run.read, 'file')} laid out\n" if not quiet else "")
    elif not quiet:
        sys.stdout.write(f"OK: {many(run.read, 'file')}, {len(run.changed)} laid out anew\n")


def _files(paths: Sequence[str]) -> Iterator[Path | None]:
    """Every charter below the paths once; None for standard input."""
    seen: set[Path] = set()
    for name in paths:
        if name == STDIN:
            yield None
            continue
        path = Path(name)
        found = sorted(path.rglob("*.charter")) if path.is_dir() else [path]
        if not found:
            raise ConfigurationError(f"{path}: there is no file that ends in .charter")
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _format(path: Path | None, args: Namespace, run: _Run) -> None:
    if path is None:
        name, data = "standard input", sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        name, data = str(path), read_file(path, limit=MAX_BYTES)
    try:
        before = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: this is not UTF-8 text") from error
    formatted = format_text(SourceText(name, before))
    run.read += 1
    run.diagnostics.extend(formatted.diagnostics)
    if formatted.text is None:
        return
    if formatted.text != before:
        run.changed.append(name)
    if args.diff:
        sys.stdout.writelines(_diff(name, before, formatted.text))
    elif args.check:
        listed = args.format != "json" and formatted.text != before
        sys.stdout.write(f"{name}\n" if listed else "")
    elif path is None:
        sys.stdout.write(formatted.text)
    elif formatted.text != before:
        _replace(path, formatted.text)


def _diff(name: str, before: str, after: str) -> Iterator[str]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for line in difflib.unified_diff(old, new, name, f"{name} (laid out)"):
        # A carriage return would move the cursor; a last line may have no end.
        yield line.replace("\r", "").removesuffix("\n") + "\n"


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; its mode stays, and a link still leads to it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    target = path.resolve()
    temporary = None
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text.encode("utf-8"))
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error
