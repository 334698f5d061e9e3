"""The container image as `make image` built it: run as docs/deploy/Containerfile says, or with
fewer rights still."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.gateway.certificates import authority
from tests.gateway_process import Reply, free_port
from tests.project import ROOT

USER = 65532
START_TIMEOUT_S = 60.0
STATE, SEEN = "/var/lib/charter", "/var/lib/charter-seen"
# No more rights than docs/deploy/Containerfile asks for; not even a folder for temporary files,
# which podman gives by itself and other programs do not, nor a name for the user.
RIGHTS = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--passwd=false",
    "--security-opt=no-new-privileges",
    # The usual ones are more than a machine may have to give.
    "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096",
)  # fmt: skip


def image() -> str:
    """The image; without one the test is skipped and says why."""
    name = os.environ.get("CHARTER_IMAGE")
    if not name:
        pytest.skip("`make image` builds the container image and tries it")
    if shutil.which("podman") is None or podman("image", "exists", name).returncode != 0:
        pytest.skip(f"there is no image {name}: `make image` has said why")
    return name


def podman(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """`podman`, with another runtime than its own where that is there: it knows more kinds of
    control groups."""
    runtime = ("--runtime", "runc") if shutil.which("runc") else ()
    return subprocess.run(
        ["podman", *runtime, *arguments],
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip


@dataclass
class Files:
    """What is mounted: settings, certificate and key, and volumes that are folders here."""

    folder: Path
    authority: Path = field(init=False)

    def __post_init__(self) -> None:
        settings = self.folder / "charter.toml"
        shutil.copy(ROOT / "docs" / "deploy" / "container.toml", settings)
        settings.chmod(0o644)
        root = authority()
        self._leaf = root.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH)
        self.authority = self.folder / "authority.pem"
        self.authority.write_bytes(root.pem)

    def volume(self, *, user: int = USER, group: int = USER, mode: int = 0o700) -> Path:
        made = self.folder / uuid.uuid4().hex
        made.mkdir()
        os.chown(made, user, group)
        made.chmod(mode)
        return made

    def tls(self, *, user: int = USER, group: int = USER, mode: int = 0o600) -> str:
        """Certificate and key, which is of this user and for these, mounted."""
        folder = self.volume(mode=0o755)
        certificate, key = self._leaf.write(folder, "tls")
        certificate.rename(folder / "tls.crt")
        key = key.rename(folder / "tls.key")
        os.chown(key, user, group)
        key.chmod(mode)
        return f"--volume={folder}:/etc/charter/tls:ro"

    def settings(self) -> str:
        return f"--volume={self.folder}/charter.toml:/etc/charter/charter.toml:ro"


@dataclass
class Container:
    """A gateway that runs in a container."""

    name: str
    port: int
    files: Files

    def request(self, method: str, path: str, body: bytes | None = None, token: str = "") -> Reply:
        sent = {"Content-Type": "application/json"} if body else {}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        context = ssl.create_default_context(cafile=str(self.files.authority))
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=10, context=context
        )
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def ask(self, question: object, token: str) -> Reply:
        return self.request("POST", "/v1/decisions", json.dumps(question).encode(), token)

    def said(self) -> str:
        """All that it wrote."""
        done = podman("logs", self.name)
        return done.stdout + done.stderr

    def token(self) -> str:
        found = re.search(r"CHARTER_TOKEN=(charter_\S+)", self.said())
        assert found, self.said()
        return found[1]

    def python(self, script: str) -> str:
        """What a script says in the container, as the user of the gateway."""
        done = podman("exec", self.name, "/opt/charter/bin/python", "-c", script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> int:
        """SIGTERM, and with what it ended."""
        podman("kill", "--signal", "TERM", self.name)
        return int(podman("wait", self.name).stdout)


def ended(files: Files, *options: str, rights: Sequence[str] = RIGHTS) -> tuple[int, str]:
    """With what `charter serve` ends that must not start, and the last line that it says."""
    name = f"charter-test-{uuid.uuid4().hex}"
    watchdog = threading.Timer(30, podman, ("kill", name))
    watchdog.start()
    try:
        done = podman("run", "--rm", "--name", name, *rights, files.settings(), *options, image())
    finally:
        watchdog.cancel()
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


@contextmanager
def running(
    files: Files, *options: str, command: Sequence[str] = (), rights: Sequence[str] = RIGHTS
) -> Generator[Container]:
    """`charter serve`, ready to decide, for the length of the block."""
    container = Container(f"charter-test-{uuid.uuid4().hex}", free_port(), files)
    done = podman(
        "run", "--detach", "--name", container.name, *rights, files.settings(), *options,
        f"--publish=127.0.0.1:{container.port}:8470", image(), *command,
    )  # fmt: skip
    try:
        assert done.returncode == 0, done.stderr
        _wait(container)
        yield container
    finally:
        podman("rm", "--force", "--time", "0", container.name)


def _wait(container: Container) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if container.request("GET", "/readyz").status == 200:
                return
        except OSError:
            pass
        state = podman("inspect", "--format", "{{.State.Status}}", container.name).stdout.strip()
        assert state == "running", container.said()
        time.sleep(0.1)
    raise AssertionError(f"not ready: {container.said()}")
