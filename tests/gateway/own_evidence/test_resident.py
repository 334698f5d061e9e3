"""A decision key that was made in a TPM and never leaves it, used as a token by way of
tpm2-pkcs11, and certified by the attestation key: all real but the TPM, which is an emulator."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.own_evidence.document import read_document
from gateway.own_evidence.errors import OwnEvidenceError
from gateway.own_evidence.quoting import TpmPlace, quote
from tests.gateway.attestation.emulator import Emulator, emulator
from tests.gateway.cli.commands import here
from tests.gateway.world import question, write_project
from tests.gateway_process import start_gateway, stop

MODULES = ("/usr/lib/x86_64-linux-gnu/pkcs11", "/usr/lib/aarch64-linux-gnu/pkcs11")
MODULE = next((p for one in MODULES if (p := Path(one) / "libtpm2_pkcs11.so").exists()), None)
PROGRAMS = ("tpm2-abrmd", "dbus-daemon", "tpm2_ptool")
HANDLE, OTHER = "0x8101000b", "0x8101000c"
STAYS = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"


def require_token() -> Path:
    """Skip the test where the packages are not there, and never where CI runs."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    missing += ["libtpm2_pkcs11.so"] if MODULE is None else []
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing or MODULE is None:
        pytest.skip(f"no TPM as a token: {', '.join(missing)} missing (see .ci/debian.txt)")
    return MODULE


@contextmanager
def shared(tpm: Emulator, patch: pytest.MonkeyPatch) -> Generator[None]:
    """The TPM behind a resource manager on a bus of its own, for several at once: the emulator
    alone answers one connection."""
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert bus.stdout is not None
    patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.stdout.readline().strip())
    patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    manager = subprocess.Popen(
        ["tpm2-abrmd", "--allow-root", f"--tcti=swtpm:host=127.0.0.1,port={tpm.port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        patch.setenv("TPM2TOOLS_TCTI", "tabrmd")
        for _ in range(600):
            if subprocess.run(["tpm2_getcap", "handles-transient"], capture_output=True,
                              check=False).returncode == 0:  # fmt: skip
                break
            time.sleep(0.05)
        yield
    finally:
        for process in (manager, bus):
            process.terminate()
            process.wait(10)
        bus.stdout.close()


class Token:
    """A token in a TPM, and a key in it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "store").mkdir()
        patch.setenv("TPM2_PKCS11_STORE", str(folder / "store"))
        patch.setenv("TPM2_PKCS11_TCTI", "tabrmd")
        self.pin = folder / "pin"
        self.pin.write_text("1234")
        self.pin.chmod(0o600)
        self.run("tpm2_createprimary", "-C", "o", "-G", "ecc256", "-c", "srk.ctx")
        self.run("tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001")
        for handle, name in ((HANDLE, "decision"), (OTHER, "other")):
            parts = (f"{name}.pub", f"{name}.priv", f"{name}.ctx")
            self.run("tpm2_create", "-C", "0x81000001", "-G", "ecc256", "-a", STAYS,
                     "-u", parts[0], "-r", parts[1])  # fmt: skip
            self.run("tpm2_load", "-C", "0x81000001", "-u", parts[0], "-r", parts[1],
                     "-c", parts[2])  # fmt: skip
            self.run("tpm2_evictcontrol", "-C", "o", "-c", parts[2], handle)
        self.run("tpm2_ptool", "init", "--primary-handle=0x81000001")
        self.run("tpm2_ptool", "addtoken", "--pid=1", "--label=charter", "--sopin=5678",
                 "--userpin=1234")  # fmt: skip
        self.run("tpm2_ptool", "link", "--label=charter", "--userpin=1234",
                 "--key-label=decision", "decision.pub", "decision.priv")  # fmt: skip

    def run(self, *command: str) -> None:
        ran = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, (command, ran.stderr)

    def arguments(self, module: Path) -> list[str]:
        uri = f"pkcs11:token=charter;object=decision?module-path={module}"
        keys = ["--decision-key", uri, "--pin-file", str(self.pin)]
        tpm = ["--tpm", "tabrmd", "--tpm-decision-key", HANDLE]
        return [*keys, *tpm, "--policies", str(self.folder / "policies")]


def test_a_decision_key_in_the_tpm_is_certified_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = require_token()
    write_project(tmp_path / "policies")
    (tmp_path / "tpm").mkdir()
    with emulator(tmp_path / "tpm") as tpm, shared(tpm, monkeypatch):
        token = Token(tmp_path, monkeypatch)
        gateway = start_gateway(tmp_path / "state", *token.arguments(module))
        try:
            answer = gateway.decide(question())
            document = gateway.request("GET", "/v1/attestation/gateway").body
        finally:
            stop(gateway)
        bound = read_document(document).bound
        with pytest.raises(OwnEvidenceError, match="the certification is of no decision key"):
            quote(TpmPlace("tabrmd", decision_key=OTHER), bound, now=datetime.now(UTC))
        enrolled = here("tpm", "enrol", "--tpm", "tabrmd")
    assert not (tmp_path / "state" / "decision.key").exists()
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "evidence.json").write_bytes(document)
    head = 'format = "charter-anchors/v1"\nowner = "me"\n\n'
    (tmp_path / "anchors.toml").write_text(head + enrolled.out)
    verified = here(
        "verify", tmp_path / "answer.json", "--trust", tmp_path / "state" / "trust.json",
        "--gateway-evidence", tmp_path / "evidence.json", "--anchors", tmp_path / "anchors.toml",
        "--key-in-tpm", "--format", "json",
    )  # fmt: skip
    assert verified.code == 0, verified.out
    assert json.loads(verified.out)["gateway"]["key_in_tpm"] is True
