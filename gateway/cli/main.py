"""Commands and their arguments; no logic.

Answers go to standard output, everything else to standard error. Exit codes are in
`gateway.cli.exit_codes`.
"""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from dsl.diagnostics import render_human
from dsl.errors import CompilationFailedError, DslError
from gateway.bundle import PACK
from gateway.cli import decisions, exit_codes, policy, serve
from gateway.cli.output import FORMATS
from gateway.errors import GatewayError, JsonError, RequestError
from gateway.pdp.engines import DEFAULT, NAMES

EPILOG = (
    "Exit codes: 0 permitted or ok, 1 could not do it, 2 denied or not verified, "
    "3 the charters have errors, 4 indeterminate."
)
DEFAULT_PORT = 8470


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except CompilationFailedError as error:
        sys.stderr.write(render_human(error.diagnostics) + "\n")
        return exit_codes.POLICY_ERRORS
    except (RequestError, JsonError) as error:
        where = f"{error.pointer}: " if error.pointer else ""
        sys.stderr.write(f"charter: {where}{error.detail}\n")
        return exit_codes.FAILED
    except (GatewayError, DslError) as error:
        sys.stderr.write(f"charter: {error}\n")
        return exit_codes.FAILED
    except KeyboardInterrupt:
        return exit_codes.FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    parser = ArgumentParser(
        prog="charter",
        description="Decides where a workload may run and where data may flow, and proves it.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="say what is wrong with charters", epilog=EPILOG)
    _policies(check, positional=True)
    check.set_defaults(run=policy.check)

    compile_ = commands.add_parser(
        "compile", help="write the bundle: core, Rego, Cedar, schemas", epilog=EPILOG
    )
    _policies(compile_, positional=True)
    _fixtures(compile_)
    compile_.add_argument("-o", "--output", type=Path, required=True, help="folder to write into")
    compile_.set_defaults(run=policy.compile_)

    test = commands.add_parser("test", help="run the examples of charters", epilog=EPILOG)
    _policies(test, positional=True)
    _fixtures(test)
    offline = tuple(name for name in NAMES if name != "opa")
    test.add_argument("--engines", type=_engines, default=list(offline), help="comma-separated")
    test.set_defaults(run=policy.test)

    decide = commands.add_parser("decide", help="put one question", epilog=EPILOG)
    decide.add_argument("request", help="JSON file with the question, or - for standard input")
    decide.add_argument("--url", help="ask the gateway there instead of deciding here")
    decide.add_argument("--token-file", type=Path, help="file with the token (or CHARTER_TOKEN)")
    decide.add_argument("--on", type=_day, metavar="DAY", help="dry run as if on that day")
    decide.add_argument("--save", type=Path, metavar="FILE", help="keep the answer as JSON")
    _policies(decide, positional=False)
    _service(decide)
    decide.set_defaults(run=decisions.decide)

    serve_ = commands.add_parser("serve", help="run the gateway", epilog=EPILOG)
    serve_.add_argument("--host", default="127.0.0.1")
    serve_.add_argument("--port", type=int, default=DEFAULT_PORT)
    serve_.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    serve_.add_argument("--tls-key", metavar="FILE", help="its private key, PEM")
    serve_.add_argument("--origin", help="name of the log; chosen once, at first start")
    _policies(serve_, positional=False)
    _service(serve_)
    serve_.set_defaults(run=serve.serve)

    verify = commands.add_parser("verify", help="check an answer offline", epilog=EPILOG)
    verify.add_argument("answer", type=Path, help="JSON file with the answer")
    verify.add_argument("--trust", type=Path, required=True, help="the trust file of the gateway")
    verify.add_argument("--request", type=Path, help="the question it must be the answer to")
    _format(verify)
    verify.set_defaults(run=decisions.verify)
    return parser


def _policies(parser: ArgumentParser, *, positional: bool) -> None:
    text = "folder of charters, or one file (default: the pack that is installed)"
    if positional:
        parser.add_argument("policies", type=Path, nargs="?", default=PACK, help=text)
    else:
        parser.add_argument("--policies", type=Path, default=PACK, help=text)
    _format(parser)


def _format(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="human")


def _fixtures(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fixtures", type=Path, metavar="FILE", help="catalogue against which examples run"
    )


def _service(parser: ArgumentParser) -> None:
    _fixtures(parser)
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="catalogue of sites")
    parser.add_argument("--engines", type=_engines, default=list(DEFAULT), help="comma-separated")
    parser.add_argument(
        "--memo", type=int, default=10_000, metavar="N", help="verdicts to remember; 0 for none"
    )
    parser.add_argument("--opa-url", metavar="URL", help="server of the engine `opa`")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        default=_default_state(),
        help="keys, tokens and ledger; made at first use (default: %(default)s)",
    )


def _default_state() -> Path:
    if "CHARTER_STATE" in os.environ:
        return Path(os.environ["CHARTER_STATE"])
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "charter"


def _engines(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise ArgumentTypeError(f"name engines out of: {', '.join(NAMES)}")
    return names


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"`{text}` is no day such as 2026-11-22") from error
