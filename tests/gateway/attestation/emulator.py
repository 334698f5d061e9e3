"""A real TPM emulator (swtpm) on loopback, and the stock tools that speak with it (tpm2-tools).

Both are packages of Debian. The EK certificate is signed by an authority made for the test.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_TOOLS = ("swtpm", "swtpm_setup", "swtpm_localca", "tpm2_quote", "tpm2_activatecredential")


def require_emulator() -> None:
    """Skip the test where the programs are not there, and never where CI runs."""
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"no TPM emulator: {', '.join(missing)} missing (apt-get install swtpm-tools)")


@dataclass
class Emulator:
    """A running TPM; files of the tools lie in `folder`."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def tool(self, name: str, *arguments: str) -> bytes:
        """Run `tpm2_<name>` and give what it printed."""
        return self._run([f"tpm2_{name}", *arguments])

    def flush(self) -> None:
        """Without a resource manager three objects fit."""
        for kind in ("-t", "-l", "-s"):
            self._run(["tpm2_flushcontext", kind])

    def _run(self, command: list[str]) -> bytes:
        tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        ran = subprocess.run(
            command, cwd=self.folder, capture_output=True, timeout=30, check=False,
            env={**os.environ, "TPM2TOOLS_TCTI": tcti},
        )  # fmt: skip
        assert ran.returncode == 0, (command, ran.stderr.decode())
        return ran.stdout

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def boot(self) -> None:
        """Start it, as a machine does."""
        log = (self.folder / "swtpm.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [
                    "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder / 'state'}",
                    "--ctrl", f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1",
                    "--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1",
                    "--flags", "not-need-init,startup-clear",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port + 1), 1):
                return
            time.sleep(0.05)
        raise AssertionError(self.file("swtpm.log").decode())

    def off(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@contextmanager
def emulator(folder: Path) -> Generator[Emulator]:
    """A TPM with an EK certificate, booted; off at the end."""
    require_emulator()
    _set_up(folder)
    made = Emulator(folder, _two_free_ports())
    made.boot()
    try:
        yield made
    finally:
        made.off()


def _set_up(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "ca").mkdir()
    ca = folder / "ca"
    (folder / "localca.conf").write_text(
        f"statedir = {ca}\nsigningkey = {ca}/signkey.pem\n"
        f"issuercert = {ca}/issuercert.pem\ncertserial = {ca}/certserial\n"
    )
    (folder / "localca.options").write_text(
        "--platform-manufacturer id:00001014\n--platform-version 2.1\n--platform-model swtpm\n"
    )
    (folder / "setup.conf").write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {folder}/localca.conf\n"
        f"create_certs_tool_options = {folder}/localca.options\n"
    )
    ran = subprocess.run(
        [
            "swtpm_setup", "--tpm2", "--config", str(folder / "setup.conf"),
            "--tpm-state", str(folder / "state"), "--create-ek-cert", "--create-platform-cert",
            "--pcr-banks", "sha256", "--overwrite",
        ],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()


def _two_free_ports() -> int:
    """The first of two ports beside each other that nobody has."""
    for _ in range(50):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with socket.socket() as second, suppress(OSError):
                second.bind(("127.0.0.1", port + 1))
                return port
    raise AssertionError("no two free ports")
