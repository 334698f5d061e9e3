"""`charter config`: what `charter serve` would be told, and by whom."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit, urlunsplit

from gateway.cli import exit_codes
from gateway.cli.settings import Effective, resolve

if TYPE_CHECKING:
    from gateway.web.stated import Limit

MASK = "***"
FIXED = "fixed"


def config(args: Namespace) -> int:
    """Print every setting with its value and its source; a wrong one is an error."""
    found = resolve(args)
    if args.format == "json":
        listed = {one.setting.key: {"value": _plain(one), "source": one.source} for one in found}
        fixed = {limit.name: {"value": limit.value, "source": FIXED} for limit in _fixed()}
        listed |= {f"limits.{name}": told for name, told in fixed.items()}
        sys.stdout.write(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("".join(_lines(found)))
    return exit_codes.OK


def _lines(found: list[Effective]) -> list[str]:
    """As a settings file, which `charter serve --config` reads again."""
    lines: list[str] = []
    section = ""
    width = max(len(_assigned(one)) for one in found)
    for one in found:
        if one.setting.section != section:
            lines.append(f"{'' if not section else chr(10)}[{one.setting.section}]\n")
            section = one.setting.section
        lines.append(f"{_assigned(one):<{width}}  # {one.source}, {one.setting.env}\n")
    lines.append("\n# Limits that no setting changes:\n")
    return lines + [f"#   {limit.name} = {limit.value}\n" for limit in _fixed()]


def _fixed() -> "Iterator[Limit]":
    from gateway.web.stated import LIMITS

    return (limit for limit in LIMITS if not limit.setting)


def _assigned(one: Effective) -> str:
    value = _plain(one)
    if value is None:
        return f"# {one.setting.name} ="
    return f"{one.setting.name} = {json.dumps(value, ensure_ascii=False)}"


def _plain(one: Effective) -> object:
    value = one.value
    if isinstance(value, list):
        return cast("object", value)
    if value is None or isinstance(value, int):
        return value
    return _masked(str(value))


def _masked(text: str) -> str:
    """An address without the name, password and query that can stand in it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if not parts.netloc:
        return text
    host = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return urlunsplit((parts.scheme, host, parts.path, MASK if parts.query else "", ""))
