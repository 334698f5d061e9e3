"""What the settings say of how far the log has come: files, mirrors, and where we keep it."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from gateway.cli.files import read_file
from gateway.errors import ConfigurationError
from gateway.fetch import Network, check_url
from gateway.ledger.note import MAX_NOTE
from gateway.mirrors import MAX_MIRRORS, ask_mirrors


@dataclass(frozen=True)
class Seen:
    """Checkpoints of our log that others have, by where they come from; and the file of what
    was seen here, if not in its usual place."""

    checkpoints: Sequence[tuple[str, bytes]] = ()
    file: Path | None = None


def seen_of(args: Namespace, *, mirrors: bool = True) -> Seen:
    """As the settings say.

    Args:
        mirrors: Whether they are asked.

    Raises:
        ConfigurationError: A file cannot be read, or none of the mirrors answers.
    """
    found = [(name, read_file(Path(name), limit=MAX_NOTE)) for name in args.seen or ()]
    if mirrors:
        found += ask_mirrors(
            args.mirrors or (), ca_file=args.mirror_ca, networks=args.mirror_networks or ()
        )
    return Seen(found, args.seen_file)


def add_seen(parser: ArgumentParser) -> None:
    """Options of who signs the log on."""
    parser.add_argument(
        "--seen",
        action="append",
        metavar="FILE",
        help="newest checkpoint of the log that somebody has: the ledger must have all of it; "
        "may be given several times",
    )
    parser.add_argument(
        "--seen-file",
        type=Path,
        metavar="FILE",
        help="where it is kept how far the log has come, apart from what backups are made of "
        "(default: the name of the state folder and .seen, beside it)",
    )
    parser.add_argument(
        "--mirrors",
        type=addresses,
        metavar="URLS",
        help="where others serve the newest checkpoint of the log, with commas between, such "
        "as https://mirror.example/checkpoint; one of them must answer at start",
    )
    parser.add_argument(
        "--mirror-ca",
        type=Path,
        metavar="FILE",
        help="authorities of mirrors, PEM (default: those of the system)",
    )
    parser.add_argument(
        "--mirror-networks",
        type=networks,
        metavar="NETWORKS",
        help="private networks in which mirrors may be, with commas between, such as 10.1.0.0/16",
    )


def addresses(text: str) -> list[str]:
    """Addresses with commas between."""
    found = [one.strip() for one in text.split(",") if one.strip()]
    if not 0 < len(found) <= MAX_MIRRORS:
        raise ArgumentTypeError(f"name 1 to {MAX_MIRRORS} addresses")
    try:
        for one in found:
            check_url(one)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from error
    return found


def networks(text: str) -> list[Network]:
    """Networks with commas between."""
    try:
        return [ip_network(one.strip()) for one in text.split(",") if one.strip()]
    except ValueError as error:
        raise ArgumentTypeError(f"this is no network: {error}") from error
