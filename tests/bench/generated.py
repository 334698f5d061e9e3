"""A folder of charters with any number of rules, to be served under load.

The rules are of ordinary size: an exception with a duty, a zone, a date, three facts of the
request and one of the place. There are ten for each kind of data, and the question is about
data of one kind, as laws of more sectors make a set of charters larger and not a question.
With `every`, all rules are for the kind asked about: the worst there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.world import BASELINE, SITES, VOCABULARY

HEAD = """\
charter bench.part-{part}
  title "Rules of part {part}"
  law LEX "Regulation (EU) 2000/1" celex 32000R0001
  time zone Europe/Brussels
  as of 2026-11-22
import test.words
"""
RULE = """
rule stays-{number} "Data of kind {number} stays in the area"
  cites LEX art {number}
  in force from 2026-07-01
  on place, flow
  when data.labels has {label}
  require destination.countries within EEA
  except tools "A tool covers it"
    cites LEX art {number}
    when transfer.tool in {{clauses, rules}} and transfer.age at most {days} days
    oblige keep-record
  because "The law says so."
  remedy "Choose a site in the area, or use clauses."
  example "data to the US without a tool" is denied
    data.labels = {{{label}}}
    destination = far
    transfer.tool = none
  example "the same with clauses" is permitted with keep-record
    data.labels = {{{label}}}
    destination = far
    transfer.tool = clauses
    transfer.age = 10 days
"""
PER_FILE = 20
PER_KIND = 10

QUESTION: dict[str, Any] = {
    "subject": {"type": "workload", "id": "trainer-7", "properties": {}},
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "far"},
    "context": {
        "data": {"labels": ["kind-1"]},
        "transfer": {"tool": "clauses", "age": 10, "encrypted": True},
    },
}


@dataclass(frozen=True)
class Stated:
    """What the rules differ in: the kind of data, and how old an assessment may be."""

    number: int
    label: str
    days: int


def stated(rules: int, *, every: bool = False) -> Iterator[Stated]:
    """The rules of `write_charters`, in their order."""
    kinds = _kinds(rules, every)
    for number in range(1, rules + 1):
        yield Stated(number, f"kind-{1 + number % kinds}", 30 + number % 300)


def write_charters(folder: Path, rules: int, *, every: bool = False) -> Path:
    """A vocabulary, a permission, `rules` prohibitions and a catalogue."""
    folder.mkdir(parents=True)
    (folder / "words.charter").write_text(_vocabulary(_kinds(rules, every)), encoding="utf-8")
    (folder / "baseline.charter").write_text(BASELINE, encoding="utf-8")
    written = [RULE.format(**vars(rule)) for rule in stated(rules, every=every)]
    for part, first in enumerate(range(0, rules, PER_FILE)):
        text = HEAD.format(part=part) + "".join(written[first : first + PER_FILE])
        (folder / f"part-{part}.charter").write_text(text, encoding="utf-8")
    for place in ("fixtures", "catalogue"):
        (folder / place).mkdir()
        (folder / place / "sites.toml").write_text(SITES, encoding="utf-8")
    return folder


def _kinds(rules: int, every: bool) -> int:
    return 1 if every else max(1, rules // PER_KIND)


def _vocabulary(kinds: int) -> str:
    terms = (f'  term kind-{n} "Kind {n}" under personal' for n in range(1, kinds + 1))
    head, health, tail = VOCABULARY.partition('  term health   "Health"    under personal\n')
    return "\n".join([head + health.rstrip(), *terms]) + "\n" + tail
