"""A process of ours: confined, in a session of its own, and watched until it ends."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.pdp import confine

_LAST_WORDS = 2048
_READ_AT_ONCE = 65536
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Of a file in memory for a process that may write no other: a module of 128 rules and duties
# takes 200 KB.
ROOM_BYTES = 4 * 1024 * 1024
# No core files, which would hold what was asked.
NO_CORE = {"RLIMIT_CORE": 0}


class Process:
    """A process that ends with this one, whatever ends this one.

    It has an empty environment but for `environment`, and gets no signal of a terminal.
    Made in the thread of the event loop, which must be one that lasts: the kernel takes the
    end of the thread that made a process for the end of its parent.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        limits: Mapping[str, int],
        environment: Mapping[str, str],
        folder: str = "/",
        keep: Sequence[int] = (),
    ) -> None:
        loop = asyncio.get_running_loop()
        script = str(Path(confine.__file__).resolve())
        given = json.dumps({**NO_CORE, **limits})
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", script, str(os.getpid()), given, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
            pass_fds=keep,
            start_new_session=True,
        )
        self.pid = self._process.pid
        # Done when it has ended, with how.
        self.ended: asyncio.Future[str] = loop.create_future()
        self._said = b""
        assert self._process.stderr is not None  # noqa: S101
        self._stderr = self._process.stderr
        os.set_blocking(self._stderr.fileno(), False)
        loop.add_reader(self._stderr.fileno(), self._listen, loop)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the last words. The end of them is the end of the process: only it holds the
        other end of the pipe."""
        try:
            said = os.read(self._stderr.fileno(), _READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            self._said = (self._said + said)[-_LAST_WORDS:]
            return
        loop.remove_reader(self._stderr.fileno())
        self._stderr.close()
        self.kill()
        self._process.wait()
        if not self.ended.done():
            code = self._process.returncode
            self.ended.set_result(f"signal {-code}" if code < 0 else f"exit code {code}")

    @property
    def last_words(self) -> str:
        """The last line it said, such as why it does not start. It may repeat what it was
        asked: not for logs, nor for records, of a process that has been asked something."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """SIGKILL, which a stopped process gets as well; nothing if it has ended."""
        if self._process.poll() is None:
            self._process.kill()

    def memory(self) -> int:
        """Bytes of memory it holds; 0 where the system does not say."""
        return memory_of(str(self.pid))


def memory_of(pid: str) -> int:
    """Bytes of memory that a process holds, `self` being this one; 0 where the system does not
    say. See `proc(5)`, statm."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def make_room() -> int | None:
    """The descriptor of a new file that is in memory alone, and empty, to be closed; None where
    this system has none, or lets this process have none."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("charter-room")
    except OSError:  # a filter of system calls
        return None
    try:
        os.ftruncate(descriptor, ROOM_BYTES)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def room_to_pass() -> Generator[list[int]]:
    """The descriptor of such a file, until a process has it as well; none where there is none."""
    descriptor = make_room()
    try:
        yield [] if descriptor is None else [descriptor]
    finally:
        if descriptor is not None:
            os.close(descriptor)
