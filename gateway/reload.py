"""Reload: other rules and facts come into force while the gateway runs, or nothing changes.

    load beside → release → number → engines against vectors → written beside → ledger
    → put in place → in force

Everything that can fail comes before the last step, which is one assignment. What is written
to disk is written before the ledger tells of it; where it cannot be put in its place after
all, a second entry takes the first one back.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError, GatewayError, ReleaseError, ReloadError
from gateway.in_force import InForce
from gateway.kept import keep
from gateway.loaded import (
    Loaded,
    Rollback,
    changing,
    forget_rollback,
    read_loaded,
    read_rollback,
    stage_loaded,
    write_loaded,
)
from gateway.record.canonical import Json
from gateway.service import Service

_GIVE_WAY_S = 0.0005
AT_START = "start"
AT_SIGNAL = "SIGHUP"

log = logging.getLogger("charter")


@dataclass(frozen=True)
class Reloaded:
    """What is in force now and what was before; `rollback` says why an older release is."""

    now: Loaded
    before: Loaded | None
    rollback: str | None = None

    @property
    def changed(self) -> bool:
        return self.before != self.now

    def body(self) -> dict[str, Json]:
        """As JSON, for the answer, the log and the ledger."""
        before = self.before
        return {
            "bundle": self.now.bundle,
            "catalogue": self.now.catalogue,
            "sequence": self.now.sequence,
            "before": before
            and {
                "bundle": before.bundle,
                "catalogue": before.catalogue,
                "sequence": before.sequence,
            },
            "rollback": self.rollback,
        }


class Reloader:
    """Reloads one service, one time after the other.

    Args:
        load: Reads everything from disk and compiles it, in a thread of its own.
        folder: The state folder, which remembers what was in force.
        attest: Has the gateway attest itself over what was loaded, in a thread.
    """

    def __init__(
        self,
        service: Service,
        load: Callable[[], InForce],
        folder: Path,
        attest: Callable[[InForce], None] = lambda _: None,
    ) -> None:
        self._service = service
        self._load = load
        self._folder = folder
        self._attest = attest
        self._one = asyncio.Lock()
        # Told what is in force after each reload.
        self.on_reload: Callable[[Reloaded], None] = lambda _: None
        # Called after each try, whatever came of it.
        self.after: Callable[[], None] = lambda: None

    async def start(self) -> Reloaded:
        """Take what the service begins with for what is in force.

        Raises:
            ReleaseError: It is an older release than was in force before.
            ConfigurationError: Another worker does not come to an end with the same, or what
                is in force cannot be kept.
            LedgerUnavailableError: A change since the last start could not be recorded.
        """
        async with changing(self._folder):
            done = self._admit(self._service.in_force)
            await self._keep(self._service.in_force, done, AT_START)
        return done

    async def reload(self, by: str) -> Reloaded:
        """Load what is on disk and decide with it from now on.

        Args:
            by: Who wants it, as the ledger may keep it.

        Raises:
            ReloadError: It cannot be used; what was in force still is.
        """
        async with self._one:
            try:
                done = await self._reload(by)
            except Exception as error:
                # Whatever it is: a gateway that decides must not end of what it does not need.
                words = str(error) if isinstance(error, GatewayError) else type(error).__name__
                self._service.watch.reloaded(words)
                told = log.error if isinstance(error, GatewayError) else log.exception
                told("reload refused, and what was in force stays: %s", words)
                raise ReloadError(words) from error
            finally:
                self.after()
        self._service.watch.reloaded(None)
        log.info("reloaded", extra={"charter": {"by": by, **done.body()}})
        self.on_reload(done)
        return done

    async def _reload(self, by: str) -> Reloaded:
        with _decisions_first():
            new = await asyncio.to_thread(self._load)
        try:
            self._admit(new)
            await asyncio.to_thread(self._attest, new)
            await new.check()
            async with changing(self._folder):
                done = self._admit(new)  # another worker can have been first meanwhile
                await self._keep(new, done, by)
        except BaseException:
            await new.close()
            raise
        self._service.replace(new)
        return done

    def _admit(self, new: InForce) -> Reloaded:
        before = read_loaded(self._folder)
        newest = None if before is None else before.sequence
        sequence = None if new.release is None else new.release.sequence
        leave = None
        if sequence is not None and newest is not None and before is not None:
            leave = self._leave(new, sequence, newest, before)
        now = Loaded(**new.named(), sequence=newest if sequence is None else sequence)
        return Reloaded(now, before, leave and leave.reason)

    def _leave(self, new: InForce, sequence: int, newest: int, before: Loaded) -> Rollback | None:
        """The leave by which an older release may be loaded; None where it needs none."""
        if sequence > newest:
            return None
        if sequence == newest:
            if new.named() != {"bundle": before.bundle, "catalogue": before.catalogue}:
                raise ReleaseError(
                    f"release {sequence} was in force with other contents: sign these with the "
                    f"number {newest + 1}"
                )
            return None
        leave = read_rollback(self._folder)
        if leave is None or leave.to != sequence:
            raise ReleaseError(
                f"release {sequence} is older than release {newest}, which was in force: sign it "
                f"again with the number {newest + 1}, or allow this one by `charter release allow "
                f"{sequence}`"
            )
        return leave

    async def _keep(self, new: InForce, done: Reloaded, by: str) -> None:
        """Kept and recorded before it has any effect, as a decision is."""
        known, files = new.catalogue, new.catalogue_files
        await asyncio.to_thread(keep, self._folder, new.bundle, known, files)
        if not done.changed:
            return
        staged = await asyncio.to_thread(stage_loaded, self._folder, done.now)
        try:
            if done.before is not None:
                await self._service.record_own("reload", {"by": by, **done.body()})
        except BaseException:
            staged.discard()
            raise
        try:
            if done.rollback is not None:
                # First: a leave that outlives its use would allow the same release again.
                forget_rollback(self._folder)
            await asyncio.to_thread(staged.put)
        except ConfigurationError:
            staged.discard()
            await self._withdraw(done, by)
            raise

    async def _withdraw(self, done: Reloaded, by: str) -> None:
        """Have the ledger tell that what it told of never came into force."""
        if done.before is None:
            return
        with suppress(ConfigurationError):
            # It may be in its place all the same, where only the sync after it failed.
            await asyncio.to_thread(write_loaded, self._folder, done.before)
        try:
            await self._service.record_own("reload-withdrawn", {"by": by, **done.body()})
        except GatewayError:
            log.exception("the ledger tells of a reload that never was")


@contextmanager
def _decisions_first() -> Generator[None]:
    """Have a thread that compiles give way more often to those that decide."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_GIVE_WAY_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def reload_at_signal(reloader: Reloader) -> None:
    """Reload whenever the process is sent SIGHUP, from the event loop that runs."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        with suppress(ReloadError):  # it is in the log
            await reloader.reload(AT_SIGNAL)

    def begin() -> None:
        task = loop.create_task(reload())
        running.add(task)
        task.add_done_callback(running.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)
