"""`charter receipt`: an answer as a signed statement of COSE, with a receipt of the log."""

import sys
from argparse import Namespace
from datetime import UTC, datetime

from dsl.printable import printable
from gateway import published
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.cli.key_options import custody_of
from gateway.cli.memory import leave_no_core
from gateway.cli.settings import resolve
from gateway.errors import ConfigurationError, LedgerError, RecordError, TrustError
from gateway.keys.custody import close
from gateway.own_keys import own_decision_key
from gateway.receipts.make import make_statement
from gateway.receipts.own_key import open_receipt_key, place_of
from gateway.verify import MAX_ANSWER, MAX_TRUST, Trust, read_answer
from gateway.verify.refused import CannotTellError


def receipt(args: Namespace) -> int:
    """Sign a statement of an answer that this gateway gave."""
    leave_no_core()
    resolve(args)
    now = datetime.now(UTC)
    data = read_file(args.answer, limit=MAX_ANSWER)
    if args.output.exists():  # before a key is made
        raise ConfigurationError(f"{args.output}: it is there already")
    told = published.read(args.state)
    custody = custody_of(args)
    opened: list[object] = []
    try:
        decision = own_decision_key(args.state, custody, told)
        opened.append(decision)
        key, is_new = open_receipt_key(args.state, now=now, custody=custody)
        opened.append(key)
        trust_file = args.state / published.FILE
        trust = Trust.from_json(read_file(trust_file, limit=MAX_TRUST))
        made = make_statement(read_answer(data), trust, decision=decision, receipt=key, now=now)
    except (RecordError, LedgerError, CannotTellError, TrustError) as error:
        raise ConfigurationError(f"{args.answer}: {error.reason}: {error}") from error
    finally:
        close(*opened)
    try:
        with args.output.open("xb") as file:
            file.write(made)
    except OSError as error:
        raise ConfigurationError(f"{args.output}: cannot write it: {error.strerror}") from error
    if is_new:
        sys.stderr.write(
            printable(
                f"{place_of(args.state, custody)} signs receipts from now on: give {trust_file} "
                "to whoever verifies; a gateway that runs tells it after its next start."
            )
            + "\n"
        )
    return exit_codes.OK
