"""Commands and their arguments; no logic. What a command needs is imported when it runs."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from datetime import date
from pathlib import Path
from typing import NoReturn

from gateway.cli import exit_codes

FORMATS = ("human", "plain", "json")
DEFAULT_PORT = 8470
_EPILOG = """\
Exit codes: 0 permitted, verified, nothing wrong; 1 could not do it; 2 denied, not
verified, or an example that does not hold; 3 the charters have errors; 4 indeterminate,
to be enforced as a denial. Answers go to standard output, all else to standard error."""


class _Parser(ArgumentParser):
    """A mistake on the command line is "could not do it": code 2 would read as a denial."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"charter: {message}; see {self.prog} --help\n")
        raise SystemExit(exit_codes.FAILED)


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="charter",
        description="Decides where a workload may run and where data may flow, and proves it.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")

    def command(name: str, words: str) -> ArgumentParser:
        return commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog=_EPILOG,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    _check(command("check", "say what is wrong with charters"))
    _compile(command("compile", "write the bundle: core, Rego, Cedar, schemas"))
    _test(command("test", "run the examples that stand in charters"))
    _decide(command("decide", "put one question"))
    _serve(command("serve", "run the gateway"))
    _verify(command("verify", "check an answer offline"))
    return parser


# --- commands ------------------------------------------------------------------------


def _check(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.policy import check

        return check(args)

    _policies(parser, positional=True)
    _format(parser)
    parser.set_defaults(run=run)


def _compile(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.policy import compile_

        return compile_(args)

    _policies(parser, positional=True)
    _fixtures(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        required=True,
        help="where to write; missing or empty",
    )
    _format(parser)
    parser.set_defaults(run=run)


def _test(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.policy import test

        return test(args)

    _policies(parser, positional=True)
    _fixtures(parser)
    _engines(parser, "cedar,rego,reference")
    _format(parser)
    parser.set_defaults(run=run)


def _decide(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.decide import decide

        return decide(args)

    parser.add_argument("request", help="JSON file with the question, or - for standard input")
    parser.add_argument(
        "--url", help="ask the gateway at this address instead of deciding in this process"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token for --url (default: the variable CHARTER_TOKEN)",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="trust file of the gateway at --url: verify its answer before believing it",
    )
    parser.add_argument(
        "--on",
        type=_day,
        metavar="DAY",
        help="what would be decided on that day, such as 2027-01-31, in the time zones of the "
        "charters; a dry run, neither signed nor recorded",
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="also write the answer there, as JSON"
    )
    _policies(parser, positional=False)
    _service(parser)
    _format(parser)
    parser.set_defaults(run=run)


def _serve(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.serve import serve

        return serve(args)

    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1); others than loopback need TLS",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help=f"port to listen on (default: {DEFAULT_PORT}); 0 for any that is free",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="private key of the certificate, PEM")
    parser.add_argument(
        "--origin",
        metavar="NAME",
        help="name of the log, such as ledger.example/eu; chosen at first start, then fixed "
        "(default: charter.example/local)",
    )
    parser.add_argument(
        "--connections",
        type=_connections,
        default=512,
        metavar="N",
        help="connections open at once (default: 512)",
    )
    parser.add_argument(
        "--connections-of-client",
        type=_connections,
        default=100,
        metavar="N",
        help="of them, from one address (default: 100); behind a proxy, as many as it opens",
    )
    _policies(parser, positional=False)
    _service(parser)
    _format(parser)
    parser.set_defaults(run=run)


def _verify(parser: ArgumentParser) -> None:
    def run(args: Namespace) -> int:
        from gateway.cli.verify import verify

        return verify(args)

    parser.add_argument("answer", type=Path, help="JSON file with the answer of a gateway")
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        required=True,
        help="trust.json of the gateway, got by a way you trust",
    )
    parser.add_argument(
        "--request", type=Path, metavar="FILE", help="question that it must be the answer to"
    )
    _format(parser)
    parser.set_defaults(run=run)


# --- options -------------------------------------------------------------------------


def _policies(parser: ArgumentParser, *, positional: bool) -> None:
    text = (
        "folder of charters, or one file; what they import and do not contain comes from the "
        "installed pack (default: the installed pack)"
    )
    if positional:
        parser.add_argument("policies", type=Path, nargs="?", help=text)
    else:
        parser.add_argument("--policies", type=Path, metavar="PATH", help=text)


def _format(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="human",
        help="for people, for screen readers and logs, or for programs (default: human)",
    )


def _fixtures(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fixtures",
        type=Path,
        metavar="FILE",
        help="catalogue against which examples run (default: fixtures/sites.toml beside the "
        "charters)",
    )


def _engines(parser: ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--engines",
        type=_engine_names,
        metavar="NAMES",
        help="engines that must agree, of cedar, rego, opa, reference, with commas between "
        f"(default: {default})",
    )


def _service(parser: ArgumentParser) -> None:
    _fixtures(parser)
    parser.add_argument(
        "--catalogue",
        type=Path,
        metavar="FILE",
        help="catalogue of sites (default: catalogue/sites.toml beside the charters)",
    )
    _engines(parser, "cedar,rego")
    parser.add_argument(
        "--opa-url", metavar="URL", help="server of the engine opa, such as http://127.0.0.1:8181"
    )
    parser.add_argument(
        "--memo",
        type=_count,
        default=10_000,
        metavar="N",
        help="verdicts to remember, 0 for none (default: 10000)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        default=_default_state(),
        help="keys, tokens and ledger; made at first use (default: the variable CHARTER_STATE, "
        "else charter in XDG_STATE_HOME or ~/.local/state)",
    )


def _default_state() -> Path:
    if "CHARTER_STATE" in os.environ:
        return Path(os.environ["CHARTER_STATE"])
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path("~/.local/state")).expanduser() / "charter"


def _engine_names(text: str) -> list[str]:
    from gateway.pdp.engines import NAMES

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ArgumentTypeError(f"there is no engine `{unknown[0]}`; there are: {', '.join(NAMES)}")
    if not names or len(set(names)) != len(names):
        raise ArgumentTypeError(f"name each engine once, out of: {', '.join(NAMES)}")
    return names


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"`{text}` is no day such as 2026-11-22") from error
    if day.isoformat() != text or not 1970 <= day.year <= 2999:
        raise ArgumentTypeError(f"`{text}` is no day between 1970-01-01 and 2999-12-31")
    return day


def _port(text: str) -> int:
    return _number(text, 65535, "port")


def _count(text: str) -> int:
    return _number(text, 10_000_000, "number")


def _connections(text: str) -> int:
    number = _number(text, 1_000_000, "number")
    if number == 0:
        raise ArgumentTypeError("no connections: nobody could ask")
    return number


def _number(text: str, most: int, what: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > most:
        raise ArgumentTypeError(f"`{text}` is no {what} from 0 to {most}")
    return int(text)
