"""A gateway that runs on a broken machine: behind other commands, with another clock, in
another network, under limits."""

import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.callers import TokenFile
from gateway.verify import Trust
from tests.gateway.serving import prepare
from tests.gateway_process import CHARTER, IN_ONE, Reply, is_there, named
from tests.project import ROOT

START_S = 60.0
ANSWER_S = 20.0
Connect = Callable[[int], socket.socket]


def over_loopback(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), ANSWER_S)


@dataclass(frozen=True)
class Project:
    """Charters and a state folder with tokens of two tenants."""

    folder: Path
    tokens: Mapping[str, str]

    @staticmethod
    def make(folder: Path) -> "Project":
        folder.mkdir(parents=True, exist_ok=True)
        return Project(folder, prepare(folder))

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def policies(self) -> Path:
        return self.folder / "policies"

    def expire(self, name: str, at: datetime) -> None:
        """Have one of the tokens end at an instant."""
        path = self.state / "tokens.json"
        file = TokenFile.model_validate_json(path.read_bytes())
        mine = self.tokens[name].split("_")[1]
        rows = [r.model_copy(update={"expires": at}) if r.id == mine else r for r in file.tokens]
        assert any(row.id == mine for row in rows)
        path.write_text(TokenFile(tokens=tuple(rows)).model_dump_json(), encoding="utf-8")

    def trust(self) -> Trust:
        return Trust.from_json((self.state / "trust.json").read_bytes())


@dataclass
class Running:
    """A gateway process, and how to reach it."""

    process: subprocess.Popen[str]
    project: Project
    connect: Connect = over_loopback
    is_alone: bool = False  # all of it in one process
    port: int = 0
    said: list[str] = field(default_factory=list[str])
    _lines: "queue.Queue[str]" = field(default_factory=queue.Queue[str])

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        with suppress(ValueError):  # closed under us, at the end
            for line in self.process.stderr:
                self.said.append(line)
                self._lines.put(line)

    @property
    def stderr(self) -> str:
        return "".join(self.said)

    def wait_until_it_listens(self) -> None:
        """Read its greeting; raises `RuntimeError` with what it said where none comes."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None and self._lines.empty():
                    self._reader.join(2)
                    raise RuntimeError(f"the gateway ended: {self.stderr}") from None
                continue
            if found := re.search(r'"url": "http://[^"]*:(\d+)"', line):
                self.port = int(found[1])
                return
        raise RuntimeError(f"the gateway does not listen: {self.stderr}")

    def request(
        self, method: str, path: str, body: bytes | None = None, *, token: str = "", **more: str
    ) -> Reply:
        """One request on a connection of its own. Raises as sockets do."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        connection.sock = self.connect(self.port)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def ask(self, question: object, *, who: str = "own", **more: str) -> Reply:
        more.setdefault("Content_Type", "application/json")
        body = json.dumps(question).encode()
        token = self.project.tokens[who]
        return self.request("POST", "/v1/decisions", body, token=token, **more)

    def ready(self) -> tuple[int, str]:
        reply = self.request("GET", "/readyz")
        return reply.status, str(reply.json.get("detail", ""))

    def checkpoint(self) -> bytes:
        return self.request("GET", "/checkpoint").body

    @property
    def size(self) -> int:
        return int(self.checkpoint().split(b"\n")[1])

    def inner(self) -> list[int]:
        """The processes of a command that waits for the gateway; none where it became it."""
        if Path(f"/proc/{self.process.pid}/comm").read_text().strip() != "unshare":
            return []
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in listed.split()]

    def processes(self) -> list[int]:
        """All that answer, decide, write or start the others, the first of them first; not
        those of engines."""
        inner = (self.inner() or [self.process.pid])[0]
        if not self.is_alone:
            self.pid_of("writer")  # that they are ready is told after it listens
            self.pid_of("worker 1")
        return [inner, *(pid for pid in set(named(self.said).values()) if is_there(pid))]

    def pid_of(self, name: str) -> int:
        """Of `worker 1` and so on, or of `writer`; as soon as it says so."""
        eventually(lambda: name in named(self.said), START_S, f"the {name}")
        return named(self.said)[name]

    def kill(self, *others: int) -> None:
        """The first process, at once with others; until nobody of the gateway is there."""
        left = self.processes()
        for pid in {self.process.pid, *others}:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        # Those that were not killed hear of it, answer what is in flight, and end.
        eventually(lambda: not any(map(is_there, left)), 20, "nobody is left")
        self._close()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self.process.poll() is None:
            for pid in self.inner() or [self.process.pid]:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)
        finally:
            self._close()

    def _close(self) -> None:
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()


def start(
    project: Project,
    *arguments: str,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    connect: Connect = over_loopback,
) -> Running:
    """`charter serve` behind the words of `before`, once it listens."""
    where = ("--policies", str(project.policies), "--state", str(project.state))
    process = subprocess.Popen(
        [*before, *CHARTER, "serve", "--port", "0", "--format", "json", *where, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    is_alone = " ".join(IN_ONE) in " ".join(arguments)
    running = Running(process, project, connect, is_alone)
    try:
        running.wait_until_it_listens()
    except BaseException:
        running.stop()
        raise
    return running


@contextmanager
def gateway(project: Project, *arguments: str, **how: Any) -> Generator[Running]:
    """A gateway for the length of the block."""
    running = start(project, *arguments, **how)
    try:
        yield running
    finally:
        running.stop()


def eventually(true: Callable[[], bool], within_s: float, what: str) -> float:
    """Wait for something; how many seconds it took."""
    started = time.monotonic()
    while time.monotonic() - started < within_s:
        try:
            if true():
                return time.monotonic() - started
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s:g} s: {what}")
