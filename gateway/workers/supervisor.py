"""Starts the writer and the workers of one gateway, and starts them again when they end.

 1. Each worker loads what it decides with.
 2. Once the first has, the writer opens the ledger; nothing was touched before.
 3. Once the writer is there, the first worker connects to it and serves; then the others.
 4. Who ends is started again, later each time. The first worker and the writer are not where
    they never were ready: then the gateway cannot start, and they have said why.
 5. To stop, the workers answer what is in flight; then the writer ends.

The supervisor itself loads nothing, holds no key and has one thread, so that it can fork.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from gateway.workers.channel import ALONE, Channel, heard
from gateway.workers.child import FIRST_PAUSE_S, ChannelMaker, Child, Phase, Run, fork

LONGEST_PAUSE_S = 10.0
# Who was ready for so long begins again with the shortest pause.
STEADY_S = 30.0

log = logging.getLogger("charter")


class Supervisor:
    """Runs one writer and several workers.

    Args:
        writer: What the writer does, in a process of its own; returns its exit code.
        workers: The same for each worker.
        explain: Says what went wrong in a process, and gives its exit code.
        greet: Told once, when the workers are ready, what the first of them said.
        grace_s: How long workers may take to answer what is in flight.
    """

    def __init__(
        self,
        writer: Run,
        workers: Sequence[Run],
        *,
        explain: Callable[[Exception], int],
        greet: Callable[[str], None],
        grace_s: float,
    ) -> None:
        self._writer = Child("writer", writer)
        self._workers = [Child(f"worker {n}", run) for n, run in enumerate(workers, 1)]
        self._explain = explain
        self._greet = greet
        self._greeted = False
        self._untold: list[Child] = []  # who was ready before anybody was greeted
        self._grace_s = grace_s
        self._code: int | None = None  # set once it is to stop
        self._kill_at: float | None = None
        self._signals: list[int] = []
        self._wake, self._woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> int:
        """Until it is told to stop by SIGTERM or SIGINT, or cannot start; an exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        for worker in self._workers:
            self._start(worker)
        while not self._is_over():
            self._wait()
            self._take_signals()
            self._reap()
            self._go_on()
        return self._code or 0

    @property
    def _children(self) -> list[Child]:
        return [self._writer, *self._workers]

    # --- waiting ---------------------------------------------------------------------

    def _signalled(self, number: int, _frame: object) -> None:
        self._signals.append(number)

    def _wait(self) -> None:
        """For a word of a process, a signal, or the next moment at which something is due."""
        connections = {c.connection.fileno(): c for c in self._children if c.connection}
        moments = [c.due_at for c in self._children if c.due_at is not None]
        moments += [] if self._kill_at is None else [self._kill_at]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        readable, _, _ = select.select([self._wake, *connections], [], [], timeout)
        for one in readable:
            if one == self._wake:
                os.read(self._wake, 4096)
            else:
                self._hear(connections[one])

    def _hear(self, child: Child) -> None:
        assert child.connection is not None  # noqa: S101 - it is what can be read
        match heard(child.connection):
            case None:
                child.connection.close()
                child.connection = None  # it ends; the system will say so
            case "loaded", _:
                child.phase = Phase.LOADED
            case "ready", words:
                child.phase, child.was_ready, child.words = Phase.READY, True, words
                child.ready_at = time.monotonic()
                self._tell_ready(child)
                if self._greeted and child is not self._writer:
                    # It loaded what is on disk now, which need not be what the others have.
                    self._spread(words)
            case "reloaded", words:
                child.words = words
                self._spread(words)
            case word, _:
                log.error("%s says %r", child.name, word)

    def _tell_ready(self, child: Child) -> None:
        """After the greeting, which comes first of all."""
        if not self._greeted:
            self._untold.append(child)
            return
        log.info("process ready", extra={"charter": {"process": child.name, "pid": child.pid}})

    def _take_signals(self) -> None:
        signals, self._signals = self._signals, []
        for number in signals:
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop(0)
            elif number == signal.SIGHUP:
                self._reload()

    # --- loading again ---------------------------------------------------------------

    def _reload(self) -> None:
        """One worker tries; what it takes, the others are asked to load as well."""
        for worker in self._workers:
            worker.asked = ""
        ready = [worker for worker in self._workers if worker.phase is Phase.READY]
        for worker in ready[:1]:
            os.kill(worker.pid, signal.SIGHUP)

    def _spread(self, words: str) -> None:
        """Ask each once: who refuses would do so again."""
        for worker in self._workers:
            if worker.words == words:
                worker.asked = ""
            elif worker.phase is Phase.READY and worker.asked != words:
                worker.asked = words
                os.kill(worker.pid, signal.SIGHUP)

    # --- going on --------------------------------------------------------------------

    def _go_on(self) -> None:
        now = time.monotonic()
        if self._code is not None:
            self._go_on_stopping(now)
            return
        for child in self._children:
            if child.due_at is not None and child.due_at <= now:
                self._start(child)
        if self._workers[0].phase is Phase.LOADED and not self._writer.starts:
            self._start(self._writer)
        for worker in self._workers:
            self._let_go(worker)
        tried = all(worker.was_ready or worker.starts > 1 for worker in self._workers)
        if not self._greeted and tried and self._workers[0].was_ready:
            self._greeted = True
            self._greet(self._workers[0].words)
            for child in self._untold:
                self._tell_ready(child)
            self._spread(self._workers[0].words)

    def _let_go(self, worker: Child) -> None:
        """The first worker begins alone: what has to be written once, it writes."""
        first = self._workers[0]
        may = self._writer.was_ready and (worker is first or first.was_ready)
        if may and worker.phase is Phase.LOADED and worker.connection is not None:
            worker.phase = Phase.GOING
            with suppress(OSError):  # its end will be heard of
                worker.connection.send(b"go")

    def _stop(self, code: int) -> None:
        if self._code is not None:
            return
        self._code = code
        self._kill_at = time.monotonic() + self._grace_s
        for worker in self._workers:
            worker.due_at = None
            if worker.phase is not Phase.ENDED:
                os.kill(worker.pid, signal.SIGTERM)
        self._writer.due_at = None

    def _go_on_stopping(self, now: float) -> None:
        """The writer ends when its connection does, after the last worker."""
        working = [worker for worker in self._workers if worker.phase is not Phase.ENDED]
        if not working and self._writer.connection is not None:
            with suppress(OSError):  # it has ended already
                self._writer.connection.send(ALONE)
            self._writer.connection.close()
            self._writer.connection = None
            self._kill_at = now + self._grace_s
        if self._kill_at is not None and now >= self._kill_at:
            for child in working or [self._writer]:
                if child.phase is not Phase.ENDED:
                    log.error("%s does not end in time and is killed", child.name)
                    os.kill(child.pid, signal.SIGKILL)
            self._kill_at = now + self._grace_s
            self._code = self._code or 1

    def _is_over(self) -> bool:
        ended = all(child.phase is Phase.ENDED for child in self._children)
        return self._code is not None and ended

    # --- ends ------------------------------------------------------------------------

    def _reap(self) -> None:
        for child in self._children:
            if child.phase is Phase.ENDED:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))
        if os.getpid() == 1:
            self._take_away()

    def _take_away(self) -> None:
        """As the first process of a container, what the killed have left: nobody else will."""
        ours = {c.pid for c in self._children if c.phase is not Phase.ENDED}
        with suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in ours:
                    return  # the next time
                os.waitpid(found.si_pid, 0)

    def _ended(self, child: Child, code: int) -> None:
        was, child.phase = child.phase, Phase.ENDED
        if child.connection is not None:
            child.connection.close()
            child.connection = None
        if self._code is not None:
            if code and was is Phase.READY and child is not self._writer:
                self._code = self._code or 1
            return
        if not child.was_ready and child in (self._writer, self._workers[0]):
            if code < 0:
                log.error("%s was ended by signal %d before it was ready", child.name, -code)
            self._stop(code if code > 0 else 1)
            return
        now = time.monotonic()
        steady = was is Phase.READY and now - child.ready_at > STEADY_S
        pause = FIRST_PAUSE_S if steady else child.pause_s
        child.due_at, child.pause_s = now + pause, min(2 * pause, LONGEST_PAUSE_S)
        told = {"process": child.name, "pid": child.pid, "code": code, "again_in_s": pause}
        log.error("process ended", extra={"charter": told})

    # --- starts ----------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        make = self._channel_of(child)
        try:
            fork(child, make, self._children, self._let_go_of, self._explain)
        except OSError as error:  # no process, no memory or no file to be had at present
            log.error("%s cannot be started: %s", child.name, error.strerror)  # noqa: TRY400
            self._ended(child, 1)

    def _channel_of(self, child: Child) -> ChannelMaker:
        is_again = child.starts > 0
        is_first = is_again or child in (self._writer, self._workers[0])
        return partial(Channel, is_first=is_first, is_again=is_again)

    def _let_go_of(self) -> None:
        """In a new process: what is the supervisor's alone."""
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        os.close(self._woken)
