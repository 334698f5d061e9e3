"""`make bench`: tables of one run, on this machine.

Servers are loaded from the same machine, so the load generator shares the cores with them:
ratios mean more than figures. The servers of one table are loaded in turn, several times
over, and of each the best round counts: what else the machine does then falls on all of
them. Each must answer one question with a permit and another without before it is loaded.

    python tests/bench/run.py [--seconds S] [--rounds N] [--only WORDS] [--hey PATH]
        [--entries N] [--rate N]

Words choose tables and servers: `--only rules`, `--only "60 rules"`, `--only search`.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import arrivals, differing, groups, load, many_sites, table
from tests.bench.target import NotBuiltError, Target, WrongAnswerError

WARM_UP_S = 1


@dataclass(frozen=True)
class Options:
    seconds: float
    rounds: int
    only: str
    hey: str
    entries: int
    rate: float


def main() -> int:
    options = _options()
    if not options.hey:
        sys.stderr.write("no load generator: run `make bench`, which builds hey\n")
        return 1
    begin = time.monotonic()
    print(f"{platform.machine()}, {os.cpu_count()} cores shared with the load generator, ", end="")
    print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before; ", end="")
    print(f"best of {options.rounds} x {options.seconds:g} s\n")
    failed = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place = groups.Place(stack, Path(name), options.entries)
        for group in groups.tables():
            chosen = options.only in group.name
            makers = [m for m in group.makers if chosen or options.only in m.name]
            if makers or (chosen and group.kind is groups.Kind.SEARCHED):
                failed += _measure(group, makers, place, options)
    print(f"{time.monotonic() - begin:,.0f} s, load {os.getloadavg()[0]:.1f} after")
    return 1 if failed else 0


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=1, help="of one round of one server")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="tables and servers with this in their name")
    parser.add_argument("--hey", default=os.environ.get("CHARTER_HEY") or shutil.which("hey") or "")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the long ledger")
    parser.add_argument("--rate", type=float, default=50, help="arrivals a second")
    return Options(**vars(parser.parse_args()))


def _measure(
    group: groups.Group, makers: Sequence[groups.Maker], place: groups.Place, options: Options
) -> int:
    """Print the table of one group; how many answers were none."""
    print(f"## {group.title}\n", flush=True)
    if group.kind is groups.Kind.SEARCHED:
        law = groups.pack()
        running = many_sites.serving(place.stack, place.folder, law)
        print(table.searched(list(many_sites.measure(running, law))), flush=True)
        return 0
    targets = [t for t in (_started(maker, place) for maker in makers) if t is not None]
    targets.insert(0, groups.echo_of(place, targets))
    if group.kind is groups.Kind.ARRIVING:
        return _arriving(targets, options)
    return _closed(group, targets, options)


def _started(maker: groups.Maker, place: groups.Place) -> Target | None:
    """A server that answers rightly, or None and a line that says why not."""
    try:
        target = maker.make(place)
        target.check()
    except (NotBuiltError, WrongAnswerError, RuntimeError) as error:
        *_, last = str(error).strip().splitlines()
        print(f"{maker.name}: not measured: {last}\n", flush=True)
        return None
    return target


def _closed(group: groups.Group, targets: Sequence[Target], options: Options) -> int:
    rows: dict[tuple[Target, int], load.Result] = {}

    def measure(target: Target, connections: int, seconds: float) -> load.Result:
        if group.kind is groups.Kind.DIFFERING:
            return differing.closed(target, connections, seconds)
        return load.closed(options.hey, target, connections, seconds)

    for target in targets:
        measure(target, max(group.connections), WARM_UP_S)
    for connections in group.connections:

        def one(target: Target, connections: int = connections) -> load.Result:
            return measure(target, connections, options.seconds)

        _rounds(options.rounds, targets, one, rows, connections)
    print(table.loaded(rows), flush=True)
    return sum(result.failed for result in rows.values())


def _rounds(
    rounds: int,
    targets: Sequence[Target],
    measure: Callable[[Target], load.Result],
    rows: dict[tuple[Target, int], load.Result],
    connections: int,
) -> None:
    for _ in range(rounds):
        for target in targets:
            found = measure(target)
            known = rows.get((target, connections))
            rows[target, connections] = found if known is None else known.better(found)


def _arriving(targets: Sequence[Target], options: Options) -> int:
    rows: dict[tuple[Target, int], load.Result] = {}
    for target in targets:
        arrivals.arriving(target, options.rate, WARM_UP_S)
    seconds = 4 * options.seconds  # for a p99 of enough answers
    _rounds(options.rounds, targets, lambda t: arrivals.arriving(t, options.rate, seconds), rows, 0)
    by_target = {target: result for (target, _), result in rows.items()}
    print(table.arrived(by_target, options.rate), flush=True)
    return sum(result.failed for result in rows.values())


if __name__ == "__main__":
    sys.exit(main())
