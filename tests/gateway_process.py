"""A real gateway process: `charter serve` on loopback, for tests, the demo and the bench."""

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

# Where one process must do everything: a tool is put on it, or its own limits are the point.
IN_ONE = ("--workers", "0")
START_TIMEOUT_S = 90.0  # six hundred rules take most of it to load and check
CHARTER = (sys.executable, "-m", "gateway.cli")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def below(pid: int) -> list[int]:
    """A process and all that it started, and they in turn, itself first; those that are there
    (proc(5))."""
    found = [pid]
    with suppress(OSError):
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        for child in listed.split():
            found += below(int(child))
    return found


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def named(said: Sequence[str]) -> dict[str, int]:
    """The processes of a gateway by what they are, as it said last that they were ready."""
    found: dict[str, int] = {}
    for line in list(said):
        if '"process ready"' in line:
            event = json.loads(line)
            found[event["process"]] = event["pid"]
    return found


@dataclass
class Reply:
    """An HTTP answer; `json` parses its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class GatewayProcess:
    """A running gateway. `token` is None where the state folder was made earlier."""

    process: subprocess.Popen[str]
    port: int
    state: Path
    token: str | None = None
    stderr: list[str] = field(default_factory=list[str])
    reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pid_of(self, name: str) -> int:
        """Of `worker 1` and so on, or of `writer`; as soon as it says so."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while name not in (found := named(self.stderr)):
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.02)
        return found[name]

    @property
    def trust(self) -> Path:
        return self.state / "trust.json"

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        token: str | None = None,
    ) -> Reply:
        """One request on a connection of its own; authenticated unless `token` is ""."""
        sent = dict(headers or {})
        bearer = self.token if token is None else token
        if bearer:
            sent.setdefault("Authorization", f"Bearer {bearer}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def ask(self, question: object, **headers: str) -> Reply:
        """Put a question at the native door."""
        sent = {"Content-Type": "application/json", **headers}
        return self.request("POST", "/v1/decisions", json.dumps(question).encode(), sent)

    def decide(self, question: object) -> dict[str, Any]:
        """The decision of a question that must be answered."""
        reply = self.ask(question)
        assert reply.status == 200, reply.body
        return cast("dict[str, Any]", reply.json)


@contextmanager
def run_gateway(
    state: Path, *arguments: str, token: str | None = None, command: Sequence[str] = CHARTER
) -> Generator[GatewayProcess]:
    """`charter serve` for the length of the block."""
    gateway = start_gateway(state, *arguments, token=token, command=command)
    try:
        yield gateway
    finally:
        stop(gateway)


def start_gateway(
    state: Path, *arguments: str, token: str | None = None, command: Sequence[str] = CHARTER
) -> GatewayProcess:
    """Start it and wait until it answers; raises `RuntimeError` with what it said if not."""
    port = free_port()
    process = subprocess.Popen(
        [*command, "serve", "--port", str(port), "--state", str(state), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    gateway = GatewayProcess(process, port, state, token)
    gateway.reader = threading.Thread(target=_collect, args=(gateway,), daemon=True)
    gateway.reader.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            time.sleep(0.1)
            raise RuntimeError(f"the gateway ended: {''.join(gateway.stderr)}")
        try:
            if gateway.request("GET", "/healthz").status == 200:
                return gateway
        except OSError:
            time.sleep(0.02)
    stop(gateway)
    raise RuntimeError(f"the gateway does not answer: {''.join(gateway.stderr)}")


def _collect(gateway: GatewayProcess) -> None:
    assert gateway.process.stderr is not None
    for line in gateway.process.stderr:
        gateway.stderr.append(line)
        if found := re.search(r"CHARTER_TOKEN=(\S+)", line):
            gateway.token = found[1]


def stop(gateway: GatewayProcess) -> None:
    """SIGTERM, and SIGKILL where that does not help."""
    gateway.process.terminate()
    try:
        gateway.process.wait(15)
    except subprocess.TimeoutExpired:
        gateway.process.kill()
        gateway.process.wait()
    if gateway.reader is not None:
        gateway.reader.join(5)
    if gateway.process.stderr is not None:
        gateway.process.stderr.close()
