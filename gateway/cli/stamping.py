"""Who stamps the log of the gateway that is about to start."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from gateway.cli.files import read_file
from gateway.cli.seen import networks
from gateway.errors import ConfigurationError
from gateway.fetch import check_url, tls_context

MIN_INTERVAL_S, MAX_INTERVAL_S = 10, 31 * 86_400
DEFAULT_INTERVAL_S = 3600
_MAX_PEM = 256 * 1024


def add_timestamps(parser: ArgumentParser) -> None:
    """The options of `charter serve`."""
    parser.add_argument(
        "--timestamp-url",
        type=address,
        metavar="URL",
        help="timestamp authority (RFC 3161) that stamps the checkpoints of the log, HTTPS",
    )
    parser.add_argument(
        "--timestamp-roots",
        type=Path,
        metavar="FILE",
        help="certificates, PEM, to one of which its tokens must lead",
    )
    parser.add_argument(
        "--timestamp-signers",
        type=Path,
        metavar="FILE",
        help="certificates, PEM, of the only ones that may sign its tokens",
    )
    parser.add_argument(
        "--timestamp-interval",
        type=interval,
        default=DEFAULT_INTERVAL_S,
        metavar="SECONDS",
        help=f"how often a checkpoint is stamped (default: {DEFAULT_INTERVAL_S})",
    )
    parser.add_argument(
        "--timestamp-ca",
        type=Path,
        metavar="FILE",
        help="authorities of its TLS, PEM (default: those of the system)",
    )
    parser.add_argument(
        "--timestamp-networks",
        type=networks,
        metavar="NETWORKS",
        help="private networks in which it may be, with commas between",
    )


def address(text: str) -> str:
    try:
        check_url(text)
    except ConfigurationError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def interval(text: str) -> int:
    try:
        seconds = int(text)
    except ValueError:
        seconds = 0
    if not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise ArgumentTypeError(f"an interval has {MIN_INTERVAL_S} to {MAX_INTERVAL_S} seconds")
    return seconds


@contextmanager
def stamping(
    args: Namespace, newest: Callable[[], str], clock: Callable[[], datetime]
) -> Generator[None]:
    """The block in which the log is stamped, where an authority is named.

    Raises:
        ConfigurationError: A file cannot be read, or names no certificates.
    """
    if args.timestamp_url is None:
        yield
        return
    # Only where there is an authority: others need no library for it.
    from gateway.stamping.authority import Authority, read_certificates
    from gateway.stamping.stamper import Stamper
    from gateway.stamping.stamps import Stamps
    from gateway.verify.terms import Timestampers

    def certificates(path: Path) -> tuple[str, ...]:
        return read_certificates(path, read_file(path, limit=_MAX_PEM))

    if args.timestamp_roots is None:
        raise ConfigurationError("name the roots of the timestamp authority: timestamps.roots")
    signers = () if args.timestamp_signers is None else certificates(args.timestamp_signers)
    authority = Authority(
        args.timestamp_url,
        tls_context(args.timestamp_ca),
        Timestampers(certificates(args.timestamp_roots), signers),
        networks=args.timestamp_networks or (),
    )
    seconds = float(args.timestamp_interval)
    stamper = Stamper(authority, Stamps(args.state), newest, clock, interval_s=seconds)
    stamper.start()
    try:
        yield
    finally:
        stamper.close()
