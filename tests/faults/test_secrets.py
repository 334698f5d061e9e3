"""R11: tokens and keys are in no log, error, answer, file or core of a gateway."""

import base64
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.faults.history import Clients, History, check_log, draw, put
from tests.faults.running import Project, Running, eventually, gateway, over_loopback, start
from tests.faults.tools import FIRST_SEED
from tests.gateway_process import is_there

KEYS = ("decision.key", "checkpoint.key")


def secrets_of(project: Project) -> dict[str, list[bytes]]:
    """What must be nowhere, in each spelling in which it could be written."""
    found = {
        f"token {name}": spellings(text.split("_", 2)[2].encode())
        for name, text in project.tokens.items()
    }
    for name in KEYS:
        pem = (project.state / name).read_bytes()
        key = load_pem_private_key(pem, None)
        if isinstance(key, EllipticCurvePrivateKey):
            raw = key.private_numbers().private_value.to_bytes(32, "big")
        else:
            assert isinstance(key, Ed25519PrivateKey)
            raw = key.private_bytes_raw()
        lines = [line for line in pem.splitlines() if line and not line.startswith(b"-")]
        found[name] = [*spellings(raw), *lines, str(int.from_bytes(raw, "big")).encode()]
    return found


def spellings(secret: bytes) -> list[bytes]:
    coded = base64.b64encode(secret).rstrip(b"=")
    url = base64.urlsafe_b64encode(secret).rstrip(b"=")
    return [secret, coded, url, secret.hex().encode(), secret.hex().upper().encode()]


def find(secrets: dict[str, list[bytes]], where: str, data: bytes) -> list[str]:
    return [
        f"{name} in {where}"
        for name, written in secrets.items()
        if any(one in data for one in written)
    ]


def files_of(project: Project) -> Iterator[Path]:
    """All that is below its folder, but for the key files."""
    for path in project.folder.rglob("*"):
        if path.is_file() and path.name not in KEYS:
            yield path


def provoke(running: Running) -> list[bytes]:
    """Everything that somebody could do wrong with a secret; what comes back."""
    own = running.project.tokens["own"]
    question = json.dumps(draw(Random(1)).question).encode()  # noqa: S311
    asked = [
        ("POST", "/v1/decisions", own.encode(), own),
        ("POST", "/v1/decisions", json.dumps({"subject": own}).encode(), own),
        ("POST", "/v1/decisions", question.replace(b"near", own.encode()), own),
        ("POST", "/v1/decisions", question.replace(b"w-1", own.encode()), own[:-1]),
        ("POST", "/v1/decisions", question, running.project.tokens["expired"]),
        ("POST", "/v1/decisions", question, running.project.tokens["flow_only"]),
        ("GET", f"/v1/decisions/{own}", None, own),
        ("GET", f"/healthz?token={own}", None, own),
        ("GET", f"/{own}", None, own),
        ("DELETE", "/v1/decisions", None, own),
        ("POST", "/access/v1/evaluation", b'{"token": "' + own.encode() + b'"}', own),
        ("GET", "/metrics", None, own),
        ("GET", "/openapi.json", None, own),
        ("GET", "/v1/trust", None, own),
        ("GET", "/v1/bundle", None, own),
    ]
    back = [
        running.request(method, path, body, token=token, Content_Type="application/json").body
        for method, path, body, token in asked
        # A question that is answered may come back in its record, with what it says.
        if not (body and own.encode() in body and token == own)
    ]
    for bad in (f"GET / {own}\r\n\r\n", f"BAD {own}\r\nAuthorization: Bearer {own}\r\n\r\n"):
        with over_loopback(running.port) as connection:
            connection.sendall(bad.encode())
            back.append(connection.recv(65536))
    return back


def test_no_secret_is_in_what_a_gateway_writes_or_says(project: Project) -> None:
    secrets = secrets_of(project)
    history = History()
    answers: list[bytes] = []
    with gateway(project) as running:
        with Clients(running, FIRST_SEED) as load:
            load.wait_for(10)
            answers += provoke(running)
        history += load.end()
        said = running
    answers += [json.dumps(event.answer).encode() for event in history.answered]
    leaks = find(secrets, "standard error", said.stderr.encode())
    for data in answers:
        leaks += find(secrets, "an answer", data)
    written = list(files_of(project))
    assert any(path.name.startswith("ledger") for path in written)
    for path in written:
        leaks += find(secrets, path.name, path.read_bytes())
    assert leaks == []


def test_the_search_finds_a_secret_that_is_there(project: Project) -> None:
    secrets = secrets_of(project)
    for name in KEYS:
        assert find(secrets, "", (project.state / name).read_bytes()) == [f"{name} in "]
    for name, text in project.tokens.items():
        assert find(secrets, "", b"x" + text.encode()) == [f"token {name} in "]
        assert find(secrets, "", text.split("_", 2)[2].encode().hex().encode())


@pytest.mark.parametrize("name", ["", "worker 1", "writer"])
def test_a_gateway_that_crashes_leaves_no_core(project: Project, name: str) -> None:
    """The first of its processes, of which the others are started, and each of these."""
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    if limits[1] != resource.RLIM_INFINITY:
        pytest.skip("this system permits no cores at all")
    unlimited = ("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh")
    running = start(project, "--engines", "cedar", before=unlimited)
    history = History([put(running, draw(Random(1)))])  # noqa: S311
    pid = running.pid_of(name) if name else running.process.pid
    limit = Path(f"/proc/{pid}/limits").read_text()
    assert "Max core file size        0                    0  " in limit
    # Nobody of the same user may look into its memory either: its files are the system's.
    left = running.processes()
    os.kill(pid, signal.SIGSEGV)
    if not name:
        assert running.process.wait(20) == -signal.SIGSEGV
        eventually(lambda: not any(map(is_there, left)), 20, "nobody is left")
    else:
        eventually(lambda: running.pid_of(name) != pid, 20, "another in its place")
    running.stop()
    assert cores(project.folder) == []
    check_log(project, history)


def cores(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("core")]


def test_another_process_would_leave_one(tmp_path: Path) -> None:
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() not in ("core", "core.%p"):
        pytest.skip("cores of this system go elsewhere: core_pattern is no file name")
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    unlimited = ("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", sys.executable, "-c", code)
    subprocess.run(unlimited, cwd=tmp_path, check=False)
    assert cores(tmp_path) != [], "the other test shows nothing here"
