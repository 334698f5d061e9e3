"""docs/cli.md is what the program says. `python -m tests.gateway.cli.test_help` writes it."""

import argparse
import os
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import cast

import pytest

from gateway.cli import exit_codes
from gateway.cli.parser import build_parser
from tests.project import ROOT

PAGE = ROOT / "docs" / "cli.md"
WIDTH = "88"
COMMANDS = ("COMMAND", "WHAT")  # what is followed by options of its own
START = """\
# Command line

`charter` alone prints its commands. The text below is that of `--help`.

Every command takes `--format human|plain|json`, and `charter check` also `sarif`. Answers go
to standard output, everything else to standard error; an error is one line that says what to
do. Each exit code means one thing, whatever the command:

| code | means |
|---|---|
| 0 | permitted, verified, nothing wrong |
| 1 | could not do it: also a mistake on the command line |
| 2 | denied, not verified, a case that does not hold, or too little coverage |
| 3 | the charters have errors |
| 4 | indeterminate, to be enforced as a denial |

| variable | means |
|---|---|
| `CHARTER_TOKEN` | the token for `charter decide --url` |
| `CHARTER_STATE` | the state folder, where `--state` is not given |
| `CHARTER_TRACE` | set to anything: show where a fault of Charter happened |
"""


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command's name and parser, the program itself first."""
    parser = build_parser()
    yield "charter", parser
    yield from below("charter", parser)


def below(prefix: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    for action in actions(parser):
        if action.metavar in COMMANDS:
            commands = cast("dict[str, argparse.ArgumentParser]", action.choices)
            for name, command in commands.items():
                yield f"{prefix} {name}", command
                yield from below(f"{prefix} {name}", command)


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # pyright: ignore[reportPrivateUsage]


def page() -> str:
    os.environ["COLUMNS"] = WIDTH
    sections = [f"\n## {name}\n\n```\n{parser.format_help()}```\n" for name, parser in parsers()]
    return START + "".join(sections)


def test_the_page_is_what_the_program_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_option_is_explained() -> None:
    bare = [
        f"{name} {action.dest}"
        for name, parser in parsers()
        for action in actions(parser)
        if action.metavar not in COMMANDS and len(action.help or "") < 8
    ]
    assert bare == []


def test_the_page_lists_every_exit_code() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert {int(code) for code in re.findall(r"^\| (\d) \|", START, re.M)} == codes


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
