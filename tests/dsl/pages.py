"""Charters in the documentation: fenced blocks, made whole where they are only a part."""

import re
from pathlib import Path

from dsl.source import SourceText

HERE = Path(__file__).parent

HEAD = """charter test.page
  law GDPR "Regulation (EU) 2016/679" celex 32016R0679
  time zone Europe/Brussels
  as of 2026-11-22
import base
import more

"""
RULE = 'rule shown "The rule of this page"\n'
DECLARATIONS = (
    "action",
    "advice",
    "assume",
    "derive",
    "entity",
    "enumeration",
    "invariant",
    "levels",
    "obligation",
    "profile",
    "record",
    "structure",
    "taxonomy",
    "zone",
)


def blocks(page: str) -> list[str]:
    """The fenced blocks of a page that are charters."""
    return re.findall(r"^```charter\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def charters(page: str) -> list[str]:
    """The blocks of a page that are whole charters and no vocabulary."""
    known = {source.text for source in vocabularies()}
    return [b for b in blocks(page) if b.startswith("charter ") and b not in known]


def vocabularies() -> list[SourceText]:
    """The charters whose words a part of a charter uses."""
    names = ("base.charter", "more.charter")
    return [SourceText(name, (HERE / name).read_text(encoding="utf-8")) for name in names]


def section(page: str, heading: str) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def whole(block: str) -> SourceText:
    """A block as a charter: with a head, and a rule around clauses that have none."""
    first = block.split()[0]
    if first == "charter":
        return SourceText("page.charter", block)
    if first in (*DECLARATIONS, "rule"):
        return SourceText("page.charter", HEAD + block)
    words = {line.split()[0] for line in block.splitlines() if line.strip()}
    rule = RULE
    if "cites" not in words:
        rule += "  cites GDPR art 44\n"
    if "on" not in words:
        rule += "  on place, flow\n"
    if not words & {"permit", "forbid", "require", "oblige", "prefer"}:
        rule += "  permit\n"
    if words & {"forbid", "require"}:
        rule += '  because "This data may not leave."\n  remedy "Choose another site."\n'
    return SourceText("page.charter", HEAD + rule + block)
