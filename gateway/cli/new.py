"""`charter new`: a charter to fill in, or one more rule in a charter."""

import os
import re
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dsl import tree
from dsl.compile import compile_charters
from dsl.diagnostics import render_human, render_plain
from dsl.parse import parse
from dsl.source import SourceText
from gateway import bundle
from gateway.cli import exit_codes, output, skeleton
from gateway.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_DOTTED = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})*")
_LAW = re.compile(r"[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
_CELEX = re.compile(r"[0-9]{5}[A-Z]{1,2}[0-9]{4}(\([0-9]{2}\))?")
_ZONE = "Europe/Brussels"
_MAX_NAME = 100
_MAX_TEXT = 300


def new(args: Namespace) -> int:
    """Write a charter, or add a rule to one; nothing that exists is overwritten."""
    _fits(args.name, _DOTTED, "name of a charter; write one such as own.residency")
    for option in ("title", "law_title"):
        _check_text(option, getattr(args, option))
    if args.law is not None:
        _fits(args.law, _LAW, "short name of a law; write one in capitals, such as GDPR")
    return _charter(args) if args.rule is None else _rule(args)


def _fits(text: str, pattern: re.Pattern[str], wanted: str) -> None:
    if len(text) > _MAX_NAME or not pattern.fullmatch(text):
        raise ConfigurationError(f"`{text[:_MAX_NAME]}` is no {wanted}")


def _check_text(option: str, text: str | None) -> None:
    if text is None:
        return
    flag = f"--{option.replace('_', '-')}"
    if not text.strip() or not text.isprintable() or '"' in text or len(text) > _MAX_TEXT:
        raise ConfigurationError(
            f"{flag}: write up to {_MAX_TEXT} characters in one line, without double quotes"
        )


# --- a charter -----------------------------------------------------------------------


def _charter(args: Namespace) -> int:
    celex = args.celex
    if celex is not None:
        _fits(celex, _CELEX, "CELEX number; EUR-Lex gives it, such as 32016R0679")
    law_name = args.law or "HOUSE"
    law = skeleton.Law(law_name, args.law_title or _law_title(args.law), celex)
    zone = _ZONE if args.time_zone is None else args.time_zone
    text = skeleton.charter(
        args.name,
        title=args.title or "What this charter is about",
        law=law,
        time_zone=zone,
        day=_today(zone),
    )
    path: Path = args.output / f"{args.name}.charter"
    if path.exists():
        raise ConfigurationError(f"{path} exists already; add a rule to it with --rule RULE")
    source = SourceText(path.name, text, str(path))
    if not _is_sound(args, [source], source):
        return exit_codes.POLICY_ERRORS
    _create(path, text)
    return _done(args, path, None)


def _law_title(law: str | None) -> str:
    return "House rules of this organisation" if law is None else f"Full title of {law}"


def _today(zone: str) -> date:
    try:
        return datetime.now(ZoneInfo(zone)).date()
    except (KeyError, ValueError, OSError) as error:
        # ZoneInfoNotFoundError is a KeyError; a folder of the database is an OSError.
        raise ConfigurationError(
            f"`{zone[:_MAX_NAME]}` is no time zone; write one such as {_ZONE}"
        ) from error


def _create(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Fails where somebody else made the file meanwhile.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


# --- a rule --------------------------------------------------------------------------


def _rule(args: Namespace) -> int:
    _fits(args.rule, _NAME, "name of a rule; write one such as keep-at-home")
    for option in ("law_title", "celex", "time_zone"):
        if getattr(args, option) is not None:
            flag = f"--{option.replace('_', '-')}"
            raise ConfigurationError(f"{flag} is for a new charter; this one has a head already")
    sources = bundle.read_sources(args.output)
    source, charter = _find(args, sources)
    rules = [d.name.text for d in charter.declarations if isinstance(d, tree.Rule)]
    if args.rule in rules:
        raise ConfigurationError(f"{source.path} has a rule `{args.rule}` already")
    if not charter.laws and args.law is None:
        raise ConfigurationError(f"{source.path} names no `law` that a rule could cite")
    imported = {word.text for word in charter.imports}
    missing = [name for name in skeleton.IMPORTS if name not in imported]
    if missing:
        raise ConfigurationError(
            f"{source.path}: the rule would be in the words of {' and '.join(missing)}: write "
            f"`import {missing[0]}` below the head first"
        )
    text = skeleton.rule(
        args.rule,
        title=args.title or "What this rule says",
        law=_law_of(charter, args.law),
        day=charter.as_of.day if charter.as_of else _today(_zone_of(charter)),
    )
    grown = replace(source, text=f"{source.text.rstrip()}\n\n{text}")
    others = [other for other in sources if other is not source]
    if not _is_sound(args, [*others, grown], grown):
        return exit_codes.POLICY_ERRORS
    _replace(Path(source.path), grown.text)
    return _done(args, Path(source.path), args.rule)


def _find(args: Namespace, sources: Sequence[SourceText]) -> tuple[SourceText, tree.Charter]:
    """The one file that holds the charter."""
    header = re.compile(rf"^\s*charter\s+{re.escape(args.name)}(?![\w.-])", re.MULTILINE)
    found = [source for source in sources if header.search(source.text)]
    if not found:
        raise ConfigurationError(
            f"no file in {args.output} holds the charter `{args.name}`; name its folder with -o, "
            "or leave --rule out to begin one"
        )
    if len(found) > 1:
        listed = " and ".join(source.path for source in found[:2])
        raise ConfigurationError(f"both {listed} hold the charter `{args.name}`")
    parsed = parse(found[0])
    if parsed.charter is None:
        raise ConfigurationError(
            f"{found[0].path} has mistakes; mend them first, `charter check` shows them"
        )
    return found[0], parsed.charter


def _law_of(charter: tree.Charter, name: str | None) -> skeleton.Law:
    laws = {law.name.text: law for law in charter.laws}
    if name is None or name in laws:
        law = laws[name] if name else charter.laws[0]
        celex = law.celex.text if law.celex else None
        return skeleton.Law(law.name.text, law.title.text, celex)
    raise ConfigurationError(f"the head of the charter names no law `{name}`: {', '.join(laws)}")


def _zone_of(charter: tree.Charter) -> str:
    return charter.time_zone.text if charter.time_zone else _ZONE


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, keeping who may read it."""
    target = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(text.encode("utf-8"))
        shutil.copymode(target, file.name)
        os.replace(file.name, target)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


# --- both ----------------------------------------------------------------------------


def _is_sound(args: Namespace, sources: Sequence[SourceText], written: SourceText) -> bool:
    """Whether the file to be written has no mistakes; they are shown, and nothing is
    written."""
    result = compile_charters(bundle.with_imports(sources))
    found = [d for d in result.errors if d.span.source.name == written.name]
    if found:
        render = render_plain if args.format == "plain" else render_human
        sys.stderr.write(f"{render(found)}\n")
        sys.stderr.write(f"charter: nothing was written to {written.path}\n")
    return not found


def _done(args: Namespace, path: Path, rule: str | None) -> int:
    if args.format == "json":
        told = {"file": str(path), "charter": args.name, "rule": rule}
        sys.stdout.write(output.to_json(told))
    elif rule is None:
        sys.stdout.write(f"OK: {path}; fill it in, then: charter check {path}\n")
    else:
        sys.stdout.write(f"OK: the rule `{rule}` at the end of {path}; fill it in\n")
    return exit_codes.OK
