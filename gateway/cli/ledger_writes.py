"""`charter ledger erase`, `hold` and `release`: what is written into a log by its operator."""

import sys
from argparse import Namespace
from contextlib import closing
from datetime import UTC, datetime

from dsl.printable import printable
from gateway import holds
from gateway.cli import exit_codes
from gateway.cli.key_options import custody_of
from gateway.cli.output import to_json
from gateway.cli.settings import resolve
from gateway.erasure import Grounds
from gateway.erasure import erase as erase_record
from gateway.errors import ConfigurationError
from gateway.ledger.shards import with_older
from gateway.state import open_state


def erase(args: Namespace) -> int:
    """Erase the body of a record, in a ledger that no gateway has open."""
    resolve(args)
    grounds = Grounds(args.reason, args.authority, args.by)
    if not (args.state / "ledger").is_dir():
        raise ConfigurationError(f"{args.state}: there is no ledger here")
    state = open_state(args.state, custody=custody_of(args))
    with (
        closing(state),
        closing(with_older(state.open_ledger(seen_file=args.seen_file), state.folder)) as log,
    ):
        done = erase_record(
            log, state.decision_key, entry=args.id, grounds=grounds, now=datetime.now(UTC)
        )
    told = {
        "id": done.id,
        "index": done.index,
        "erasure_id": done.erasure_id,
        "erasure_index": done.erasure_index,
        "tidy": done.is_tidy,
    }
    if args.format == "json":
        sys.stdout.write(to_json(told))
        return exit_codes.OK
    sys.stdout.write(
        printable(f"OK: {done.id} is erased, as entry {done.erasure_index} says") + "\n"
    )
    if not done.is_tidy:
        sys.stderr.write(
            "Somebody reads an older state of the files: what is erased is gone once that ends "
            "and the ledger is opened again.\n"
        )
    return exit_codes.OK


def hold(args: Namespace) -> int:
    """Keep a record from being erased, or let go of it."""
    resolve(args)
    grounds = Grounds(args.reason, args.authority, args.by)
    if not (args.state / "ledger").is_dir():
        raise ConfigurationError(f"{args.state}: there is no ledger here")
    now = datetime.now(UTC)
    state = open_state(args.state, custody=custody_of(args))
    newest = state.open_ledger(seen_file=args.seen_file)
    with closing(state), closing(with_older(newest, state.folder)) as log:
        key = state.decision_key
        if args.release:
            done = holds.release(
                log, key, target=args.id, grounds=grounds, now=now, which=args.hold
            )
        else:
            done = holds.hold(log, key, target=args.id, grounds=grounds, now=now)
    told = {
        "id": done.id,
        "index": done.index,
        "entry_id": done.entry_id,
        "entry_index": done.entry_index,
    }
    words = "is released" if args.release else "is held"
    line = f"OK: {done.id} {words}, as entry {done.entry_index} ({done.entry_id}) says\n"
    sys.stdout.write(to_json(told) if args.format == "json" else printable(line))
    return exit_codes.OK
