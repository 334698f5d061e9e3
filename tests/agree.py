"""Ask generated programs everywhere and count: `python tests/agree.py 500000`.

Every question is put to the model without lowering, to the definition, to Cedar, to regopy
and to a real OPA; a share of them damaged, and some unfit. Every difference is printed with
the smallest question that shows it, and makes the exit code 1. `--seed` with `--only`
repeats one program.
"""

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext
from multiprocessing.queues import Queue

from tests.agreeing.one_program import Outcome, run
from tests.agreeing.opa_batch import BatchOpa
from tests.dsl.constructs import every_construct
from tests.opa import OpaServer, find_opa, run_opa

PROGRESS_S = 20.0
# A process that has loaded many programs into regopy keeps gigabytes: it is replaced in time.
PROGRAMS_A_PROCESS = 100


@dataclass(frozen=True)
class Settings:
    pairs: int
    seed: int
    jobs: int
    per_program: int
    only: int | None
    with_opa: bool


@dataclass
class Totals:
    programs: int = 0
    pairs: int = 0
    permitted: int = 0
    damaged: int = 0
    unfit: int = 0
    constructs: Counter[str] = field(default_factory=Counter[str])
    differing: list[Outcome] = field(default_factory=list[Outcome])

    def add(self, outcome: Outcome) -> None:
        self.programs += 1
        self.pairs += outcome.pairs
        self.permitted += outcome.permitted
        self.damaged += outcome.damaged
        self.unfit += outcome.unfit
        self.constructs += outcome.constructs
        if outcome.differences:
            self.differing.append(outcome)


# --- in each process -----------------------------------------------------------------


class _Worker:
    """What a process keeps from one program to the next."""

    settings: Settings
    opa: BatchOpa | None = None


def _begin(settings: Settings, servers: "Queue[OpaServer]") -> None:
    _Worker.settings = settings
    _Worker.opa = BatchOpa(servers.get()) if settings.with_opa else None


def _run(number: int) -> Outcome:
    settings = _Worker.settings
    return run(settings.seed, number, settings.per_program, _Worker.opa)


def _outcomes(settings: Settings) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    if settings.only is not None:
        numbers = range(settings.only, settings.only + 1)
    else:
        numbers = range(max(1, settings.pairs // settings.per_program))
    with ExitStack() as stack:
        # Started here, so that they end however a process of the pool may end.
        started = settings.jobs if settings.with_opa else 0
        running = [stack.enter_context(run_opa()) for _ in range(started)]
        if settings.jobs == 1 or settings.only is not None:
            _begin(settings, _queue(context, running))
            if _Worker.opa is not None:
                stack.callback(_Worker.opa.close)
            yield from map(_run, numbers)
            return
        for begin in range(0, len(numbers), PROGRAMS_A_PROCESS):
            part = numbers[begin : begin + PROGRAMS_A_PROCESS]
            servers = _queue(context, running)
            with context.Pool(settings.jobs, _begin, (settings, servers)) as pool:
                yield from pool.imap_unordered(_run, part)


def _queue(context: SpawnContext, running: Sequence[OpaServer]) -> "Queue[OpaServer]":
    """The servers, for each process to take one."""
    servers: Queue[OpaServer] = context.Queue()
    for server in running:
        servers.put(server)
    return servers


# --- the whole -----------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    settings = _settings(arguments)
    begun = told = time.monotonic()
    totals = Totals()
    for outcome in _outcomes(settings):
        totals.add(outcome)
        for difference in outcome.differences:
            print(f"program {outcome.number} of seed {settings.seed}: {difference}", flush=True)
        now = time.monotonic()
        if now - told > PROGRESS_S:
            told = now
            print(f"{totals.pairs:,} pairs, {totals.pairs / (now - begun):,.0f}/s", flush=True)
    return _conclude(settings, totals, time.monotonic() - begun)


def _conclude(settings: Settings, totals: Totals, elapsed: float) -> int:
    engines = "model, definition, Cedar, regopy" + (", OPA" if settings.with_opa else "")
    print(
        f"{totals.pairs:,} pairs of {totals.programs:,} programs in {elapsed:,.0f} s "
        f"({totals.pairs / elapsed:,.0f}/s; {engines}; seed {settings.seed}); "
        f"{totals.permitted / max(1, totals.pairs):.0%} permitted; "
        f"{totals.damaged:,} damaged, {totals.unfit:,} unfit besides"
    )
    missing = sorted(every_construct() - totals.constructs.keys())
    print(f"{len(every_construct()) - len(missing)} of {len(every_construct())} constructs occur")
    if missing and settings.only is None:
        print("never: " + ", ".join(missing))
    if totals.differing:
        numbers = ", ".join(str(outcome.number) for outcome in totals.differing[:20])
        print(f"DIFFERENCES in {len(totals.differing):,} programs: {numbers}")
        return 1
    if totals.pairs == 0:
        print("nothing was asked")
        return 1
    print("no difference")
    return 0


def _settings(arguments: list[str] | None) -> Settings:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--per-program", type=int, default=200, help="questions a program")
    parser.add_argument("--only", type=int, help="the number of the one program to run")
    parser.add_argument("--opa", help="the OPA to ask; default: CHARTER_OPA, .tools/opa, PATH")
    parser.add_argument("--without-opa", action="store_true")
    given = parser.parse_args(arguments)
    if given.opa:
        os.environ["CHARTER_OPA"] = str(given.opa)
    if not given.without_opa and find_opa() is None:
        parser.error("no OPA binary: name one with --opa, or say --without-opa")
    return Settings(
        pairs=given.pairs,
        seed=secrets.randbits(32) if given.seed is None else given.seed,
        jobs=given.jobs,
        per_program=given.per_program,
        only=given.only,
        with_opa=not given.without_opa,
    )


if __name__ == "__main__":
    sys.exit(main())
