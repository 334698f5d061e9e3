"""A process that opens a ledger and appends, once for each line that it is told, and waits
before either until it may go on: so that one can begin to tamper with its calls there.

    python -m tests.faults.sweeping KEY

Each line of its input is `<folder> append` or `<folder> erase`; an empty line lets it go on.
It says `begin <process>`, `open`, and how it ended: `done`, `failed <why>`, `closed <why>`
where the ledger does not open, or `killed`. Each runs in a fork of its own, which ends as if it
were killed: closing would mend things.
"""

import os
import sys
from pathlib import Path

from gateway.errors import GatewayError
from gateway.keys import CheckpointKey
from gateway.ledger.guard import Guard
from tests.gateway.ledger.logs import ORIGIN, body_of, open_log

THE_ONE, ERASED = "the one", "entry-2"


def say(words: str) -> None:
    # By calls that no test tampers with.
    os.writev(1, [f"{words}\n".encode()])


def hear() -> str:
    line = b""
    while not line.endswith(b"\n"):
        read = bytearray(1)
        if not os.readv(0, [read]):
            sys.exit(0)
        line += read
    return line.decode().strip()


def one(folder: Path, what: str, key: CheckpointKey) -> None:
    say(f"begin {os.getpid()}")
    hear()
    try:
        log = open_log(folder, signer=key, guard=Guard(folder / "seen.checkpoint"))
    except GatewayError as error:
        say(f"closed {error}")
        return
    say("open")
    hear()
    try:
        if what == "erase":
            answer = log.erase(ERASED, THE_ONE, "clinic-a", body_of(THE_ONE))
        else:
            answer = log.append(THE_ONE, "clinic-a", body_of(THE_ONE))
        answer.result(timeout=30)
    except GatewayError as error:
        say(f"failed {error}")
    else:
        say("done")


def main() -> None:
    key = CheckpointKey.load(Path(sys.argv[1]), name=ORIGIN)
    while True:
        folder, what = hear().split()
        pid = os.fork()
        if not pid:
            try:
                one(Path(folder), what, key)
            except BaseException as error:  # the test says that this must not be
                say(f"fell {error!r}")
            finally:
                os._exit(0)
        if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            say("killed")


if __name__ == "__main__":
    main()
