"""A process that the supervisor starts, and how it begins."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.workers.channel import Channel, pair

FIRST_PAUSE_S = 0.1

Run = Callable[[Channel], int]
ChannelMaker = Callable[[socket.socket], Channel]
Explain = Callable[[Exception], int]


class Phase(Enum):
    """How far a process is."""

    ENDED = auto()
    LOADING = auto()
    LOADED = auto()  # waits for the writer
    GOING = auto()
    READY = auto()


@dataclass(eq=False)
class Child:
    """A process that is to run; `pause_s` is how long it waits before its next start."""

    name: str
    run: Run
    pid: int = 0
    connection: socket.socket | None = None
    phase: Phase = Phase.ENDED
    starts: int = 0
    was_ready: bool = False
    words: str = ""  # what it works with
    asked: str = ""  # what it was asked to load last
    ready_at: float = 0.0
    due_at: float | None = None
    pause_s: float = FIRST_PAUSE_S


def fork(
    child: Child,
    make: ChannelMaker,
    others: Iterable[Child],
    let_go: Callable[[], None],
    explain: Explain,
) -> None:
    """Start it. This process has one thread, or the new one could wait for a lock for ever.

    Args:
        make: Makes the channel that it speaks through.
        others: All that the supervisor has started; a new process must not hold their ends.
        let_go: Called in the new process: lets go of what is the supervisor's.
        explain: Says what went wrong in it, and gives its exit code.

    Raises:
        OSError: The system gives no process; the child has not begun.
    """
    child.starts += 1
    child.due_at = None
    ours, theirs = pair()
    channel = make(theirs)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        ours.close()
        _be(child.run, channel, others, let_go, explain)
    theirs.close()
    ours.setblocking(False)
    child.pid, child.phase, child.connection = pid, Phase.LOADING, ours


def _be(
    run: Run,
    channel: Channel,
    others: Iterable[Child],
    let_go: Callable[[], None],
    explain: Explain,
) -> None:
    """In the new process; it never returns."""
    code = 1
    try:
        let_go()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Not before it says otherwise: it would end by it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Held open here, the end of the supervisor would not show to the others.
        for other in others:
            if other.connection is not None:
                other.connection.close()
        code = run(channel)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if channel.is_first:
            code = explain(error)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
