"""How long a large set of charters takes to compile, stage by stage, and how long it takes
again after one line of it was changed.

    python tests/bench/compile.py [--rules N] [--files N] [--runs N]

The rules are of ordinary size: a condition, a requirement, an exception with its duty, and
two examples. Times are those of this process, the best of a few runs; examples are not run.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dsl.check import check
from dsl.compile import compile_charters
from dsl.found import Found
from dsl.lower import lower
from dsl.parse import forget, parse
from dsl.resolve import resolve
from dsl.source import SourceText
from dsl.to_cedar import cedar_policies, cedar_schema
from dsl.to_rego import rego_module

ROOT = Path(__file__).resolve().parents[2]
HEAD = """charter bench.part-{file}
  title      "Rules of part {file}"
  law        GDPR "Regulation (EU) 2016/679" celex 32016R0679
  time zone  Europe/Brussels
  as of      2026-11-22

import base

"""
RULE = """rule protected-{rule} "Personal data of kind {rule} stays where protection is equal"
  cites     GDPR art {article}
  in force  from 2018-05-25
  on        place, flow
  when      data.labels has {label}
  require   destination.countries within EEA

  except adequacy-{rule} "The destination is adequate on the day"
    cites   GDPR art 45
    when    destination.countries within EEA + ADEQUATE

  except safeguards-{rule} "Contract clauses with an assessment of at most {days} days"
    cites   GDPR art 46(2)(c)
    when    transfer.mechanism in {{scc-m1, scc-m2}}
            and transfer.assessment_age at most {days} days
    oblige  keep-record within 30 days

  because   "Chapter V allows a transfer only on an adequacy decision or a safeguard."
  remedy    "Choose a site in the EEA, or record the transfer tool."

  example "records of kind {rule} to Virginia without clauses" is denied
    data.labels = {{{label}}}
    destination.countries = {{US}}
    transfer.mechanism = none

  example "records of kind {rule} under clauses" is permitted with keep-record
    data.labels = {{{label}}}
    destination.countries = {{US}}
    transfer.mechanism = scc-m2
    transfer.assessment_age = {days} days

"""
T = TypeVar("T")
LABELS = ("personal", "special-category", "health")


def rule(number: int) -> str:
    return RULE.format(
        rule=number,
        article=1 + number % 99,
        label=LABELS[number % len(LABELS)],
        days=1 + number % 365,
    )


def charters(rules: int, files: int) -> list[SourceText]:
    """A vocabulary, and `rules` rules spread over `files` files."""
    base = (ROOT / "tests" / "dsl" / "base.charter").read_text(encoding="utf-8")
    sources = [SourceText("base.charter", base)]
    for file in range(files):
        numbers = range(file, rules, files)
        text = HEAD.format(file=file) + "".join(rule(number) for number in numbers)
        sources.append(SourceText(f"part-{file}.charter", text))
    return sources


def edited(sources: Sequence[SourceText], run: int, *, first: bool) -> list[SourceText]:
    """One line of the last file changed, as an author changes it: in its first rule, so that
    everything below moves, or in its last."""
    *others, last = sources
    find = str.partition if first else str.rpartition
    head, sign, tail = find(last.text, "age at most ")
    _, unit, rest = tail.partition(" days\n")
    return [*others, SourceText(last.name, f"{head}{sign}{1000 + run}{unit}{rest}")]


class Timer:
    """The time of each stage, run by run, in milliseconds."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def stage(self, name: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        self.taken.setdefault(name, []).append(1000 * (time.process_time() - start))
        return result


def cold(sources: Sequence[SourceText], timer: Timer) -> None:
    """Every stage on its own, nothing remembered."""
    forget()
    parsed = timer.stage("parse", lambda: [parse(source) for source in sources])
    trees = [result.charter for result in parsed if result.charter is not None]
    assert len(trees) == len(sources), [result.diagnostics for result in parsed]
    found = Found()
    resolved = timer.stage("resolve", lambda: resolve(trees, found))
    model = timer.stage("check", lambda: check(resolved, found))
    assert not found.errors, found.diagnostics[:3]
    program = timer.stage("lower", lambda: lower(model))
    timer.stage("to Rego", lambda: rego_module(program))
    timer.stage("to Cedar", lambda: (cedar_schema(program), cedar_policies(program)))


def emitted(sources: Sequence[SourceText]) -> None:
    """From source text to Rego and Cedar, with what is remembered."""
    _, program = compile_charters(sources).require()
    rego_module(program)
    cedar_policies(program)


def measure(rules: int, files: int, runs: int) -> None:
    sources = charters(rules, files)
    size = sum(len(source.text) for source in sources)
    print(f"{rules} rules in {files} file{'s'[: files != 1]}, {size:,} characters")
    timer = Timer()
    for _ in range(runs):
        cold(sources, timer)
    total = sum(min(taken) for taken in timer.taken.values())
    emitted(sources)
    for run in range(runs):
        for first in (True, False):
            after = edited(sources, run, first=first)
            name = f"again, {'first' if first else 'last'} rule changed"
            timer.stage(name, lambda after=after: emitted(after))
    for name, taken in timer.taken.items():
        print(f"  {name:<26} {min(taken):8.0f} ms   (median {statistics.median(taken):.0f})")
    print(f"  {'total of the stages':<26} {total:8.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--rules", type=int, default=500)
    parser.add_argument("--files", type=int, default=25)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    # The first run of a process also reads the grammar.
    start = time.process_time()
    parse(SourceText("first.charter", "charter first\n"))
    print(f"grammar{' ':<21} {1000 * (time.process_time() - start):8.0f} ms")
    for files in (options.files, 1):
        measure(options.rules, files, options.runs)


if __name__ == "__main__":
    main()
