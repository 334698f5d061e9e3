"""`charter replay`, with its arguments; no logic."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime, time
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command

NO_ENGINES = "none"
# What `replay` ends with where it could not do it: 1 says that something differs.
COULD_NOT = 2


def _arguments(parser: ArgumentParser) -> None:
    options.add_state(parser)
    _what_if(parser)
    _which(parser)
    _how(parser)
    options.add_format(parser, "ndjson")


def _what_if(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("what if (default: rules, catalogue and day of each record)")
    rules = group.add_mutually_exclusive_group()
    rules.add_argument(
        "--policies", type=Path, metavar="PATH", help="other charters: a folder, or one file"
    )
    rules.add_argument(
        "--bundle",
        type=Path,
        metavar="PATH",
        help="another compiled bundle: the folder of `charter compile`, or a .tar.gz such as in "
        "bundles/ of a state folder",
    )
    group.add_argument(
        "--catalogue", type=Path, metavar="FILE", help="another catalogue (default: that of "
        "each record)",
    )  # fmt: skip
    group.add_argument(
        "--overlay",
        dest="overlays",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="your own facts over --catalogue; may be given several times, the first lowest",
    )
    group.add_argument(
        "--at",
        type=options.day,
        metavar="DAY",
        help="another day, such as 2027-01-31, for law and catalogue",
    )


def _which(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("which decisions (default: all)")
    group.add_argument("--id", dest="ids", action="append", default=[], metavar="ID",
        help="this decision; may be given several times")  # fmt: skip
    group.add_argument("--tenant", metavar="NAME", help="of one tenant")
    group.add_argument("--rule", metavar="ID", help="whose record names this rule")
    group.add_argument("--site", metavar="ID", help="about this site, or other entity")
    group.add_argument(
        "--decision",
        choices=("permit", "deny", "indeterminate"),
        help="that ended so, by the record",
    )
    group.add_argument("--from", dest="since", type=_instant, metavar="WHEN",
        help="recorded at or after a day or instant, in UTC")  # fmt: skip
    group.add_argument("--until", type=_end, metavar="WHEN",
        help="recorded on or before a day, or before an instant")  # fmt: skip
    group.add_argument("--limit", type=_positive, metavar="N", help="the oldest N of them")
    group.add_argument("--sample", type=options.percent, default=100.0, metavar="PERCENT",
        help="a part of them, spread evenly and the same each time")  # fmt: skip


def _how(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("how")
    group.add_argument(
        "--engines",
        type=_engines,
        default=["cedar", "rego"],
        metavar="NAMES",
        help="engines that must say what the definition says, of cedar, rego, opa, reference, or "
        "none (default: cedar,rego)",
    )
    group.add_argument("--opa-url", metavar="URL", help="server of the engine opa")
    group.add_argument("--ask", type=options.percent, default=100.0, metavar="PERCENT",
        help="of the distinct questions, the part put to the engines (default: 100)")  # fmt: skip
    group.add_argument("--workers", type=options.processes, default=_cores(), metavar="N",
        help="processes (default: one for each core)")  # fmt: skip
    group.add_argument("--examples", type=_examples, default=3, metavar="N",
        help="decisions that show each change (default: 3)")  # fmt: skip
    group.add_argument("--strict", action="store_true",
        help="end with 1 as well where of a decision nothing can be said")  # fmt: skip


def _cores() -> int:
    return min(len(os.sched_getaffinity(0)), options.MAX_WORKERS)


def _engines(text: str) -> list[str]:
    return [] if text.strip() == NO_ENGINES else options.engine_names(text)


def _examples(text: str) -> int:
    number = options.count(text)
    if number > 1000:
        raise ArgumentTypeError(f"`{text}`: at most 1000 examples")
    return number


def _positive(text: str) -> int:
    number = options.count(text)
    if number == 0:
        raise ArgumentTypeError("none: nothing would be decided again")
    return number


def _instant(text: str) -> datetime:
    if "T" in text:
        return options.instant(text)
    return datetime.combine(options.day(text), time.min, UTC)


def _end(text: str) -> datetime:
    if "T" in text:
        return options.instant(text)
    # The whole of the day; seconds are never 60 here, and records have milliseconds.
    return datetime.combine(options.day(text), time.max, UTC)


def _replay(args: Namespace) -> int:
    from gateway.cli.replay import replay

    return replay(args)


_DETAILS = """\
Without options of "what if", each decision must come out as it is recorded. A record holds the
facts and not the request; facts of the catalogue, of sources and of calculations are joined
anew from what the state folder kept of that day. The gateway may run meanwhile.
With them, it prints what would change, by rule. Of what was erased, of decisions made while an
engine failed, and where rules or catalogue are not kept, nothing can be said: they are counted
apart. What is printed is of every tenant: show it to nobody who may not read the ledger.

Exit codes of this command: 0 nothing differs; 1 something does; 2 could not do it.
With --format ndjson: one line for each decision that differs, then one with the counts."""

COMMANDS = (
    Command(
        "replay",
        "decide again what is recorded, under the same rules or others",
        _arguments,
        _replay,
        _DETAILS,
        mistake=COULD_NOT,
    ),
)
