"""A witness that is killed in the middle of a request.

    python -m tests.gateway.witness.killed FOLDER LOGS checked|stored

The request is its standard input. It ends by SIGKILL after the check and before the store,
or after the store and before the signature; else it writes the cosignature.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from gateway.witness import folder, witness
from gateway.witness.key import WitnessKey
from gateway.witness.policy import parse_logs
from tests.gateway.witness.histories import NOW


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    place, logs, moment = sys.argv[1:]
    if moment == "checked":
        judge = witness.judge

        def judge_and_die(*arguments: Any) -> Any:
            return die(judge(*arguments))

        witness.judge = judge_and_die
    else:
        WitnessKey.cosign = die  # pyright: ignore[reportAttributeAccessIssue]
    made, _ = folder.open_witness(
        Path(place),
        parse_logs(Path(logs).read_bytes()),
        lambda: NOW,
    )
    sys.stdout.write(made.add_checkpoint(sys.stdin.buffer.read()).line)


if __name__ == "__main__":
    main()
