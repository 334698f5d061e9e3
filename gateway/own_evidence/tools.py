"""A TPM 2.0 by way of the programs of tpm2-tools, each a process of its own with bounded time
and output, and no shell (ADR 0040).

Without a resource manager a TPM holds three objects, so what a program leaves loaded is let go
of at once.
"""

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.own_evidence.errors import OwnEvidenceError

MAX_OUTPUT = 64 * 1024
MAX_FILE = 64 * 1024
TIMEOUT_S = 30.0  # for all that is asked of the TPM in one session
# Names of libraries that tctildr loads by itself. A path would load any library, and `cmd`
# would start a shell.
_TCTI = re.compile(r"(device|swtpm|mssim|tabrmd)(:[A-Za-z0-9_./=,:\-\[\]]{0,200})?")
_HANDLE = re.compile(rb"0x[0-9A-Fa-f]{1,8}")
_LINE = re.compile(r"[^\x20-\x7e]+")


def check_tcti(text: str) -> str:
    """How to reach a TPM, as tpm2-tools name it.

    Raises:
        ValueError: It is none, or one that would load a library or start a program.
    """
    if _TCTI.fullmatch(text) is None:
        raise ValueError(
            f"`{text[:80]}` reaches no TPM: write device:/dev/tpmrm0, tabrmd, or "
            "swtpm:host=127.0.0.1,port=2421"
        )
    return text


class Session:
    """Programs run one after the other, with files in a folder of theirs."""

    def __init__(self, tcti: str, folder: Path, timeout_s: float) -> None:
        self._folder = folder
        self._until = time.monotonic() + timeout_s
        self._environment = _environment(tcti, folder)
        self._before = self._loaded()

    def run(self, name: str, *arguments: str) -> bytes:
        """What `tpm2_<name>` prints; objects that it leaves in the TPM are let go of.

        Raises:
            OwnEvidenceError: It is not there, refuses, says too much, or takes too long.
        """
        said = self._run(name, *arguments)
        for handle in sorted(self._loaded() - self._before):
            self._run("flushcontext", handle)
        return said

    def file(self, name: str) -> bytes:
        """What a program wrote.

        Raises:
            OwnEvidenceError: Nothing, or too much.
        """
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise OwnEvidenceError(f"tpm2-tools wrote no `{name}`") from error
        if len(data) > MAX_FILE:
            raise OwnEvidenceError(f"tpm2-tools wrote more than {MAX_FILE} bytes to `{name}`")
        return data

    def write(self, name: str, data: bytes) -> None:
        (self._folder / name).write_bytes(data)

    def _loaded(self) -> set[str]:
        """Objects in the TPM that no resource manager looks after."""
        found = _HANDLE.findall(self._run("getcap", "handles-transient"))
        return {handle.decode() for handle in found}

    def _run(self, name: str, *arguments: str) -> bytes:
        program = shutil.which(f"tpm2_{name}", path=self._environment["PATH"])
        if program is None:
            raise OwnEvidenceError(f"tpm2_{name} is not there: install the package tpm2-tools")
        left = self._until - time.monotonic()
        try:
            code, said = _bounded([program, *arguments], self._environment, self._folder, left)
        except OSError as error:
            raise OwnEvidenceError(f"{program}: it cannot be started: {error.strerror}") from error
        if code is None:
            raise OwnEvidenceError(f"the TPM does not answer in time, or tpm2_{name} says too much")
        if code != 0:
            raise OwnEvidenceError(f"the TPM does not do what is asked: {_words(name, said)}")
        return said


@contextmanager
def session(tcti: str, *, timeout_s: float = TIMEOUT_S) -> Generator[Session]:
    """A TPM for the length of the block; what was written there is removed.

    Raises:
        OwnEvidenceError: There is no TPM, or no tpm2-tools.
    """
    with tempfile.TemporaryDirectory(prefix="charter-tpm-") as folder:
        yield Session(tcti, Path(folder), timeout_s)


def _environment(tcti: str, folder: Path) -> Mapping[str, str]:
    """No variable of the gateway but where programs are, and what the system bus needs: none
    of them may change what is asked of the TPM."""
    kept = {name: os.environ[name] for name in ("DBUS_SYSTEM_BUS_ADDRESS",) if name in os.environ}
    path = os.environ.get("PATH", os.defpath)
    return {**kept, "PATH": path, "LC_ALL": "C", "TMPDIR": str(folder), "TPM2TOOLS_TCTI": tcti}


def _words(name: str, said: bytes) -> str:
    """The one line that tells most of what a program said: the first that is an error."""
    text = said.decode("ascii", "replace")
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or [text]
    # The library says what failed last in its own words, then the program that it failed.
    told = [line for line in lines if "tpm:" in line or "(0x" not in line]
    line = _LINE.sub(" ", (told or lines)[0]).removeprefix("ERROR:").strip()
    return f"tpm2_{name}: {line[:200] or 'it failed'}"


def _bounded(
    command: list[str], environment: Mapping[str, str], folder: Path, timeout_s: float
) -> tuple[int | None, bytes]:
    """The exit code and what was printed; no code where it was stopped."""
    until = time.monotonic() + timeout_s
    process = subprocess.Popen(  # noqa: S603 - a program of tpm2-tools, found by its name
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a signal for the gateway is none for it
    )
    try:
        said = _read(process, until)
        if said is None:
            return None, b""
        return process.wait(max(0.0, until - time.monotonic())), said
    except subprocess.TimeoutExpired:
        return None, b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
        process.wait()
        assert process.stdout is not None  # noqa: S101 - asked for above
        process.stdout.close()


def _read(process: "subprocess.Popen[bytes]", until: float) -> bytes | None:
    """All that it prints; None where that is too much, or does not end in time."""
    assert process.stdout is not None  # noqa: S101 - asked for by the caller
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(said) <= MAX_OUTPUT:
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            chunk = os.read(process.stdout.fileno(), 4096)
            if not chunk:
                return said
            said += chunk
    return None
