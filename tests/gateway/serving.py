"""A real `charter serve` on the small law, with callers of every kind."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.callers import TokenFile, TokenRow, issue
from gateway.state import open_state
from gateway.verify import Trust, VerifiedDecision, verify_decision
from tests.gateway.world import TENANT, write_project
from tests.gateway_process import GatewayProcess, Reply, run_gateway, start_gateway


@dataclass
class Served:
    """A running gateway, and tokens for it."""

    gateway: GatewayProcess
    policies: Path
    own: str
    other_tenant: str
    flow_only: str
    expired: str

    @property
    def size(self) -> int:
        """The number of decisions recorded, as soon as a worker has its writer again."""
        deadline = time.monotonic() + 10
        while (reply := self.gateway.request("GET", "/checkpoint")).status == 503:
            assert time.monotonic() < deadline, "no checkpoint within 10 s"
            time.sleep(0.1)
        return int(reply.body.split(b"\n")[1])

    def ask(self, question: object, *, token: str | None = None, **headers: str) -> Reply:
        data = question if isinstance(question, bytes) else json.dumps(question).encode()
        sent = {"Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gateway.request("POST", "/v1/decisions", data, sent, token=token)

    def verify(self, answer: dict[str, Any], **expected: Any) -> VerifiedDecision:
        trust = Trust.from_json(self.gateway.trust.read_bytes())
        return verify_decision(answer, trust, **expected)

    def raw(self, sent: bytes, *, timeout: float = 5.0) -> bytes:
        """All that comes back on a connection of its own until it is closed."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout) as connection:
            # The gateway may have closed before all was sent.
            with suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(sent)
            return receive(connection)


def receive(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def prepare(folder: Path) -> dict[str, str]:
    """Charters and a state folder with four tokens."""
    write_project(folder / "policies")
    state = open_state(folder / "state", origin="ledger.example/test")
    made = {
        "own": {"tenant": TENANT},
        "other_tenant": {"tenant": "clinic-b"},
        "flow_only": {"tenant": TENANT, "actions": frozenset({"flow"})},
        "expired": {"tenant": TENANT},
    }
    tokens: dict[str, str] = {}
    rows: list[TokenRow] = []
    for name, settings in made.items():
        path = folder / f"{name}.tokens"
        tokens[name] = issue(path, **settings)  # pyright: ignore[reportArgumentType]
        (row,) = TokenFile.model_validate_json(path.read_bytes()).tokens
        expires = datetime(2020, 1, 1, tzinfo=UTC) if name == "expired" else None
        rows.append(row.model_copy(update={"expires": expires}))
    file = TokenFile(tokens=tuple(rows)).model_dump_json()
    (state.folder / "tokens.json").write_text(file, encoding="utf-8")
    return tokens


@contextmanager
def served(folder: Path, *arguments: str) -> Generator[Served]:
    """The gateway for the length of the block."""
    tokens = prepare(folder)
    policies = folder / "policies"
    with run_gateway(
        folder / "state", "--policies", str(policies), *arguments, token=tokens["own"]
    ) as gateway:
        yield Served(gateway, policies, **tokens)


def restart(running: Served) -> GatewayProcess:
    """The same gateway again, in a new process; the caller stops it."""
    return start_gateway(
        running.gateway.state, "--policies", str(running.policies), token=running.own
    )
