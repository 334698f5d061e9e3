"""A server under load: where it is asked, what, and which answers are right."""

import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.gateway_process import free_port

JSON_TYPE = {"Content-Type": "application/json"}
_START_S = 20.0


@dataclass(frozen=True, eq=False)
class Target:
    """A server under load, with its process.

    Attributes:
        body: What is asked over and over; the right answer is a permit.
        refused: What must not be permitted, so that a server that permits everything is
            not measured. None of a server that decides nothing.
        permits: Whether an answer is a permit; of many, all of them.
        decisions: How many there are in one answer.
        peer: The row of the stock server that does the same work, or none.
    """

    name: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    pid: int
    permits: Callable[[bytes], bool]
    refused: bytes | None = None
    decisions: int = 1
    peer: str | None = None

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """One request on a connection of its own: the status and the body."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        try:
            connection.request("POST", place.path, body, dict(self.headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def check(self) -> None:
        """Raise `WrongAnswerError` unless the answers are right."""
        self._check(self.body, True)
        if self.refused is not None:
            self._check(self.refused, False)

    def _check(self, body: bytes, expected: bool) -> None:
        status, answer = self.ask(body)
        if status != 200 or self.permits(answer) is not expected:
            raise WrongAnswerError(f"{self.name}: {status} {answer[:300]!r}")


class WrongAnswerError(Exception):
    """A server that answers wrongly is not measured."""


class NotBuiltError(Exception):
    """A program to compare with is not on this machine; the text says why."""


# --- processes -----------------------------------------------------------------------


def processes(pid: int) -> Iterator[int]:
    """A process and all that it started (proc(5))."""
    yield pid
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    for child in started:
        yield from processes(int(child))


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process and those it started have had, of all their
    threads."""
    spent = 0
    for one in processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> tuple[int, ...]:
    """Resident memory of each of the processes, in MB of 10^6 bytes, the largest first."""
    sizes: list[int] = []
    for one in processes(pid):
        for line in Path(f"/proc/{one}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                sizes.append(int(line.split()[1]) * 1024 // 1_000_000)
    return tuple(sorted(sizes, reverse=True))


@contextmanager
def served(
    command: Callable[[int], Sequence[str]], *, environment: Mapping[str, str] | None = None
) -> Generator[tuple[int, int]]:
    """A program for the length of the block, given a port of this machine to listen on;
    yields the port and the id of its process.

    Raises:
        RuntimeError: It does not listen; with what it said.
    """
    port = free_port()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command(port), stdout=said, stderr=said, env={**os.environ, **(environment or {})}
        )
        try:
            if not _listens(process, port):
                said.seek(0)
                raise RuntimeError(f"{process.args!r}: {said.read()[-2000:].decode()}")
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False
