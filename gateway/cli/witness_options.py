"""The options of `charter serve` that say who cosigns its log; no logic."""

from argparse import ArgumentParser, ArgumentTypeError
from ipaddress import ip_network
from pathlib import Path

MODES = ("none", "background", "required")
DEFAULT_INTERVAL_S = 10
MAX_INTERVAL_S = 86_400
DEFAULT_TIMEOUT_MS = 1_000
MAX_TIMEOUT_MS = 1_800  # within the time of a decision
MAX_NETWORKS = 16


def add_witnesses(parser: ArgumentParser) -> None:
    """The options of `charter serve`."""
    parser.add_argument(
        "--witness-mode",
        type=mode,
        default="none",
        metavar="MODE",
        help="none; background: later proofs are cosigned; required: answers wait for a "
        "cosigned checkpoint, and without a quorum there are none (default: none)",
    )
    parser.add_argument(
        "--witness-policy",
        type=Path,
        metavar="FILE",
        help="the witnesses and how many of them are enough (C2SP tlog-policy)",
    )
    parser.add_argument(
        "--witness-interval",
        type=interval,
        default=DEFAULT_INTERVAL_S,
        metavar="SECONDS",
        help=f"how often witnesses are asked in the background (default: {DEFAULT_INTERVAL_S})",
    )
    parser.add_argument(
        "--witness-ms",
        type=timeout,
        default=DEFAULT_TIMEOUT_MS,
        metavar="MS",
        help=f"how long witnesses may take to answer (default: {DEFAULT_TIMEOUT_MS})",
    )
    parser.add_argument(
        "--witness-ca",
        type=Path,
        metavar="FILE",
        help="authorities of the witnesses' certificates, PEM (default: those of the system)",
    )
    parser.add_argument(
        "--witness-networks",
        type=networks,
        default=[],
        metavar="NETWORKS",
        help="networks besides the public Internet where witnesses may be, such as "
        "10.1.0.0/16, with commas between",
    )


def mode(text: str) -> str:
    if text not in MODES:
        raise ArgumentTypeError(f"`{text}` is none of {', '.join(MODES)}")
    return text


def interval(text: str) -> int:
    return _number(text, MAX_INTERVAL_S, "seconds")


def timeout(text: str) -> int:
    return _number(text, MAX_TIMEOUT_MS, "milliseconds")


def _number(text: str, most: int, unit: str) -> int:
    right = text.isascii() and text.isdecimal() and len(text) <= 6
    if not right or not 1 <= int(text) <= most:
        raise ArgumentTypeError(f"`{text}` is no number of {unit} from 1 to {most}")
    return int(text)


def networks(text: str) -> list[str]:
    names = [one for one in text.split(",") if one]
    if len(names) > MAX_NETWORKS:
        raise ArgumentTypeError(f"more than {MAX_NETWORKS} networks")
    for one in names:
        try:
            if ip_network(one).prefixlen == 0:
                raise ArgumentTypeError(f"`{one}` is every network")
        except ValueError as error:
            raise ArgumentTypeError(f"`{one}` is no network: {error}") from error
    return names
