"""A process that appends until it is killed, and says what was acknowledged.

    python -m tests.gateway.ledger.appender FOLDER KEY PREFIX [FILE_SIZE_LIMIT]

Each line of its output is `<id> <index> <checkpoint in base64>`, written once the append
was acknowledged. It ends by itself only when an append fails: then the last lines are
`failed <message>` for this one and for one more.
"""

import base64
import itertools
import os
import resource
import sys
from concurrent.futures import Future
from pathlib import Path

from gateway.errors import LedgerUnavailableError
from gateway.keys import CheckpointKey
from gateway.ledger.head import Receipt
from gateway.ledger.log import Log
from gateway.ledger.proof import parse_proof
from tests.gateway.ledger.logs import ORIGIN, body_of, open_log

GROUP = 20


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # at once: a buffer would die with the process


def send(log: Log, entry_id: str) -> "tuple[str, Future[Receipt]]":
    return entry_id, log.append(entry_id, "clinic-a", body_of(entry_id))


def main() -> None:
    folder, key, prefix, *limit = sys.argv[1:]
    log = open_log(Path(folder), signer=CheckpointKey.load(Path(key), name=ORIGIN))
    say("opened")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.RLIM_INFINITY))
    for number in itertools.count():
        group = [send(log, f"{prefix}-{number}-{one}") for one in range(GROUP)]
        try:
            for entry_id, answer in group:
                receipt = answer.result()
                note = parse_proof(receipt.proof_text).checkpoint
                say(f"{entry_id} {receipt.index} {base64.b64encode(note.encode()).decode()}")
        except LedgerUnavailableError as error:
            say(f"failed {error}")
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        send(log, "after the fault")[1].result()
    except LedgerUnavailableError as error:
        say(f"failed {error}")
    log.close()


if __name__ == "__main__":
    main()
