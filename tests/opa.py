"""A real Open Policy Agent server for tests.

The binary is `CHARTER_OPA`, else `.tools/opa` in the repository, else `opa` on the
PATH. Without one the test is skipped and says so, but fails where `CI` or
`CHARTER_REQUIRE_OPA` is set: there nobody would read the reason.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project import ROOT

START_TIMEOUT_S = 20.0


def find_opa() -> Path | None:
    chosen = os.environ.get("CHARTER_OPA")
    candidates = [chosen] if chosen else [str(ROOT / ".tools" / "opa"), shutil.which("opa")]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def require_opa() -> Path:
    """The binary, or the end of this test."""
    binary = find_opa()
    if binary is not None:
        return binary
    reason = "no OPA binary: set CHARTER_OPA, or put one at .tools/opa"
    if os.environ.get("CI") or os.environ.get("CHARTER_REQUIRE_OPA"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class OpaServer:
    """A running server on this machine."""

    host: str
    port: int
    pid: int

    def put_policy(self, name: str, module: str) -> None:
        """Load a module, replacing the one of that name."""
        self._put(f"/v1/policies/{name}", module.encode("utf-8"), "text/plain")

    def put_data(self, path: str, document: object) -> None:
        self._put(f"/v1/data/{path}", json.dumps(document).encode("utf-8"), "application/json")

    def _put(self, path: str, body: bytes, content_type: str) -> None:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=START_TIMEOUT_S)
        try:
            connection.request("PUT", path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            text = response.read().decode("utf-8")
            assert response.status in (200, 204), text
        finally:
            connection.close()


@contextmanager
def run_opa(bundle: bytes | None = None) -> Generator[OpaServer]:
    """A server for the length of the block, with a bundle tarball loaded if given."""
    binary = require_opa()
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        command = [str(binary), "run", "--server", f"--addr=127.0.0.1:{port}"]
        command += ["--log-level=error", "--disable-telemetry"]
        if bundle is not None:
            path = Path(folder) / "bundle.tar.gz"
            path.write_bytes(bundle)
            command += ["--bundle", str(path)]
        with open(Path(folder) / "log", "w+b") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
            try:
                _wait(process, port, Path(folder) / "log")
                yield OpaServer("127.0.0.1", port, process.pid)
            finally:
                process.terminate()
                process.wait(timeout=START_TIMEOUT_S)


def run_opa_command(
    *arguments: str, files: Mapping[str, bytes]
) -> subprocess.CompletedProcess[str]:
    """`opa` with arguments, in a folder that holds the files."""
    binary = require_opa()
    with tempfile.TemporaryDirectory() as folder:
        for path, data in files.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return subprocess.run(
            [str(binary), *arguments], cwd=folder, capture_output=True, text=True, check=False
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                connection.close()
                return
            connection.close()
        except OSError:
            pass
        time.sleep(0.02)
    pytest.fail(f"OPA did not start: {log.read_text(errors='replace')}")
