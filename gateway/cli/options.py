"""Options that several commands share, and what their values may be; no logic."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

MAX_WORKERS = 64
FORMATS = ("human", "plain", "json")

_POLICIES = (
    "what they import and do not contain comes from the installed pack (default: the "
    "installed pack)"
)


# --- options -------------------------------------------------------------------------


def add_paths(parser: ArgumentParser) -> None:
    """The charters a command is about, as its arguments."""
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help=f"folders of charters, or files; {_POLICIES}",
    )


def add_policies(parser: ArgumentParser) -> None:
    """The charters that a gateway decides with."""
    parser.add_argument(
        "--policies",
        type=Path,
        metavar="PATH",
        help=f"folder of charters, or one file; {_POLICIES}",
    )


def add_format(parser: ArgumentParser, *more: str) -> None:
    """`--format`; `more` are formats besides the usual ones."""
    for_more = {
        "sarif": ", or for code scanning (SARIF 2.1.0)",
        "ndjson": ", or one line of JSON for each",
    }
    parser.add_argument(
        "--format",
        choices=(*FORMATS, *more),
        default="human",
        help="for people, for screen readers and logs, or for programs"
        f"{''.join(for_more[name] for name in more)} (default: human)",
    )


def add_fixtures(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--fixtures",
        type=Path,
        metavar="FILE",
        help="catalogue against which examples run (default: fixtures/sites.toml beside the "
        "charters)",
    )


def add_engines(parser: ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--engines",
        type=engine_names,
        metavar="NAMES",
        help="engines that must agree, of cedar, rego, opa, reference, with commas between "
        f"(default: {default})",
    )


def add_service(parser: ArgumentParser) -> None:
    """What a service is put together from."""
    add_fixtures(parser)
    parser.add_argument(
        "--catalogue",
        type=Path,
        metavar="FILE",
        help="catalogue of sites (default: catalogue/sites.toml beside the charters)",
    )
    parser.add_argument(
        "--overlay",
        dest="overlays",
        action="append",
        metavar="FILE",
        help="your own facts over that catalogue, with a reason for each change of it; may be "
        "given several times, the first lowest",
    )
    add_engines(parser, "cedar,rego")
    parser.add_argument(
        "--opa-url", metavar="URL", help="server of the engine opa, such as http://127.0.0.1:8181"
    )
    parser.add_argument(
        "--memo",
        type=count,
        default=10_000,
        metavar="N",
        help="verdicts to remember, each with what explains it, 0 for none (default: 10000)",
    )
    add_state(parser)


def add_state(parser: ArgumentParser) -> None:
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
    try:
        return (Path(base) if base else Path("~/.local/state")).expanduser() / "charter"
    except RuntimeError:  # a user without a home, as services have them
        return Path("/var/lib/charter")


# --- values --------------------------------------------------------------------------


def names(text: str) -> list[str]:
    """What stands between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def engine_names(text: str) -> list[str]:
    from gateway.pdp.engines import NAMES

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ArgumentTypeError(f"there is no engine `{unknown[0]}`; there are: {', '.join(NAMES)}")
    if not names or len(set(names)) != len(names):
        raise ArgumentTypeError(f"name each engine once, out of: {', '.join(NAMES)}")
    return names


def day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"`{text}` is no day such as 2026-11-22") from error
    if found.isoformat() != text or not 1970 <= found.year <= 2999:
        raise ArgumentTypeError(f"`{text}` is no day between 1970-01-01 and 2999-12-31")
    return found


def instant(text: str) -> datetime:
    """RFC 3339, with an offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"`{text}` is no instant such as 2026-11-22T09:30:00Z") from error
    if found.tzinfo is None:
        raise ArgumentTypeError(f"`{text}` names no time zone; end it with Z for UTC")
    return found.astimezone(UTC)


def percent(text: str) -> float:
    """A percentage with at most one digit after the point."""
    whole, point, tenths = text.partition(".")
    right = whole.isascii() and whole.isdecimal() and len(whole) <= 3
    if point:
        right = right and len(tenths) == 1 and tenths.isascii() and tenths.isdecimal()
    if not right or float(text) > 100:
        raise ArgumentTypeError(f"`{text}` is no percentage from 0 to 100, such as 90 or 99.5")
    return float(text)


def public_url(text: str) -> str:
    """The base of what callers are told: without a path's end, query or fragment."""
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and bool(parts.hostname)
        right = right and text.isascii() and text.isprintable() and " " not in text
        right = right and not parts.username and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, right = None, False
    if parts is None or not right or parts.query or parts.fragment or "?" in text or "#" in text:
        raise ArgumentTypeError(f"`{text}` is no address such as https://pdp.example")
    return text.rstrip("/")


def tenants(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def port(text: str) -> int:
    return _number(text, 65535, "port")


def count(text: str) -> int:
    return _number(text, 10_000_000, "number")


def workers(text: str) -> int:
    return _number(text, MAX_WORKERS, "number of processes")


def processes(text: str) -> int:
    number = workers(text)
    if number == 0:
        raise ArgumentTypeError("no processes: nobody would answer")
    return number


def connections(text: str) -> int:
    number = _number(text, 1_000_000, "number")
    if number == 0:
        raise ArgumentTypeError("no connections: nobody could ask")
    return number


def in_flight(text: str) -> int:
    number = _number(text, 10_000, "number")
    if number == 0:
        raise ArgumentTypeError("no questions at once: nobody could ask")
    return number


def decision_ms(text: str) -> int:
    number = _number(text, 60_000, "number of milliseconds")
    if number < 100:
        raise ArgumentTypeError(f"`{text}`: no question is decided in less than 100 milliseconds")
    return number


def _number(text: str, most: int, what: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > most:
        raise ArgumentTypeError(f"`{text}` is no {what} from 0 to {most}")
    return int(text)


def add_grounds(parser: ArgumentParser) -> None:
    """`--reason`, `--authority` and `--by` of an erasure."""
    for name, words in (
        ("reason", "why, for ever in the log; it must not name a person"),
        ("authority", "on whose word, or by which article of which law"),
        ("by", "who has it done"),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="TEXT", help=words)
