"""Runs the suite against a gateway, given its base URL.

Exit codes: 0 conforms (or the chosen cases hold), 1 could not run, 2 does not conform.
"""

import argparse
import os
import re
import secrets
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from conformance.client import TIMEOUT_S, Client, Target
from conformance.errors import CannotRunError, ConformanceError
from conformance.render import human, plain, printable
from conformance.report import Run, build_report, report_bytes, write_report
from conformance.run import CaseResult, Outcome, Plan, run_suite
from conformance.suite import Suite, load_suite
from conformance.verdict import NOT_RUN

CONFORMS, COULD_NOT_RUN, DOES_NOT_CONFORM = 0, 1, 2
EXITS = {
    "conforms": CONFORMS,
    "partial": CONFORMS,
    "could-not-run": COULD_NOT_RUN,
    "does-not-conform": DOES_NOT_CONFORM,
}
MAX_SEED = 2**53 - 1


class _Parser(argparse.ArgumentParser):
    """Python's own would exit with 2, which means something else here."""

    def error(self, message: str) -> NoReturn:
        raise CannotRunError(f"{message}\n{self.format_usage().rstrip()}")


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m conformance.runner") -> int:
    """Run the suite as the arguments say, and return the exit code.

    Args:
        argv: The arguments without the program's name; None takes those of the process.
        prog: The program's name in the help.
    """
    try:
        return _run(_parser(prog).parse_args(argv))
    except ConformanceError as error:
        print(f"could not run: {printable_lines(str(error))}", file=sys.stderr)
        return COULD_NOT_RUN
    except SystemExit as stop:  # --help
        return int(stop.code or 0)


def printable_lines(text: str) -> str:
    """A text safe for a terminal that keeps its line breaks."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _run(options: argparse.Namespace) -> int:
    suite = load_suite()
    plan = _plan(options, suite)
    target = _target(options)
    if options.report is not None and not options.report.parent.is_dir():
        raise CannotRunError(f"{options.report.parent}: there is no such folder")
    started = datetime.now(UTC)
    outcome = run_suite(suite, Client(target), plan, _tell)
    run = Run(str(uuid.uuid4()), started, datetime.now(UTC))
    report = build_report(outcome, target, run)
    content = report_bytes(report)
    if options.report is not None:
        write_report(options.report, content)
    _show(report, content, options.format)
    return _exit(outcome)


def _exit(outcome: Outcome) -> int:
    return EXITS[outcome.result]


def _show(report: dict[str, object], content: bytes, form: str) -> None:
    if form == "json":
        text = content.decode("utf-8")
    elif form == "plain":
        text = plain(report)
    else:
        text = human(report, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(result: CaseResult) -> None:
    if sys.stderr.isatty() and result.verdict not in NOT_RUN:
        print(f"{result.case.id}: {result.verdict.value}", file=sys.stderr)


def _plan(options: argparse.Namespace, suite: Suite) -> Plan:
    chosen: dict[str, frozenset[str]] = {}
    known = {
        "profile": suite.profiles,
        "case": {case.id for case in suite.cases},
        "without": suite.features,
    }
    for option, names in known.items():
        chosen[option] = frozenset(getattr(options, option) or ())
        if unknown := sorted(chosen[option] - names):
            raise CannotRunError(
                f"--{option} {', '.join(unknown)}: not known; write {', '.join(sorted(names))}"
            )
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    profiles = chosen["profile"] or frozenset(suite.profiles)
    return Plan(seed, profiles, chosen["case"], chosen["without"])


def _target(options: argparse.Namespace) -> Target:
    return Target(
        base_url=options.base_url,
        token=_token(options.token_file),
        timeout_s=options.timeout,
        verify_tls=not options.no_tls_verify,
        ca_file=options.ca_file,
    )


def _token(path: Path) -> str:
    """The one line of a token file; it must fit in a header (RFC 6750, section 2.1)."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise CannotRunError(f"{path}: cannot read the token") from error
    if re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token) is None:
        raise CannotRunError(f"{path}: must hold one bearer token and nothing else")
    return token


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(text)
    return seed


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise ValueError(text)
    return seconds


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        description="Run the conformance suite against a gateway. What the gateway must "
        "answer is in PROTOCOL.md beside this program.",
        epilog="Exit codes: 0 conforms, 1 could not run, 2 does not conform. With --case, 0 "
        "says only that these cases hold.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--base-url", required=True, metavar="URL", help="what /v1/decisions is appended to")
    add("--token-file", required=True, type=Path, metavar="FILE", help="holds the bearer token")
    add("--profile", action="append", metavar="P", help="a profile that is claimed; default: all")
    add("--case", action="append", metavar="ID", help="run this case alone; may be repeated")
    add("--without", action="append", metavar="FEATURE", help="a feature that is not claimed")
    add("--seed", type=_seed, metavar="N", help="order and names; default: drawn, and reported")
    add("--report", type=Path, metavar="FILE", help="write report.json here")
    add("--format", choices=("human", "plain", "json"), default="human", help="of the output")
    add(
        "--timeout",
        type=_seconds,
        default=TIMEOUT_S,
        metavar="S",
        help="for one answer; default 10",
    )
    add("--ca-file", type=Path, metavar="PEM", help="trust roots instead of the system's")
    add("--no-tls-verify", action="store_true", help="accept any certificate; the report says so")
    return parser


if __name__ == "__main__":
    sys.exit(main())
