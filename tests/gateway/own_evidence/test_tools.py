"""Programs that do not do what they should, in the place of those of tpm2-tools: real processes
that hang, say too much, write too much, or end badly."""

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.own_evidence.errors import OwnEvidenceError
from gateway.own_evidence.tools import MAX_FILE, MAX_OUTPUT, check_tcti, session

TCTI = "device:/dev/tpmrm0"
# What the TPM holds, of which the programs here know nothing.
NOTHING = "#!/bin/sh\n:\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    program(folder, "getcap", NOTHING)
    return folder


def program(folder: Path, name: str, text: str) -> None:
    path = folder / f"tpm2_{name}"
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yes", "too much"),
        ("exit 3", "it failed"),
        ("kill -9 $$", "it failed"),
        ("echo 'ERROR: Unable to run tpm2_quote' >&2; exit 1", "Unable to run"),
        ("printf 'ERROR: a\\033[31mb\\n' >&2; exit 1", "ERROR: a"),
        ("#!/no/such/interpreter", "cannot be started"),
    ],
)
def test_a_program_that_goes_wrong_is_an_error_of_one_line(
    programs: Path, text: str, words: str
) -> None:
    program(programs, "quote", text)
    with pytest.raises(OwnEvidenceError) as found, session(TCTI) as tools:
        tools.run("quote")
    assert words.removeprefix("ERROR: ") in str(found.value)
    assert str(found.value).isprintable()


def test_without_tpm2_tools_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OwnEvidenceError, match="install the package tpm2-tools"), session(TCTI):
        pass


# The second one ends, and leaves one behind that holds its end of the pipe.
@pytest.mark.parametrize("text", ["sleep 1000", "sleep 1000 & echo started"])
def test_a_program_that_hangs_is_stopped_with_what_it_started(programs: Path, text: str) -> None:
    program(programs, "quote", f"echo $$ > {programs}/pid; {text}")
    with session(TCTI, timeout_s=2.0) as tools:
        with pytest.raises(OwnEvidenceError, match="in time"):
            tools.run("quote")
        group = int((programs / "pid").read_text())
    for _ in range(600):  # a moment passes until the system has ended them
        if not running(group):
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")


def running(group: int) -> list[str]:
    """The processes of a group that have not ended, whoever has to take them away."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of = path.read_text().rpartition(") ")[2].split()[:3]
            if int(of) == group and state not in "ZX":
                found.append(path.parent.name)
    return found


def test_output_up_to_the_limit_is_read(programs: Path) -> None:
    program(programs, "quote", f"head -c {MAX_OUTPUT} /dev/zero")
    with session(TCTI) as tools:
        assert len(tools.run("quote")) == MAX_OUTPUT
    program(programs, "quote", f"head -c {MAX_OUTPUT + 1} /dev/zero")
    with pytest.raises(OwnEvidenceError, match="too much"), session(TCTI) as tools:
        tools.run("quote")


def test_a_file_that_is_missing_or_too_large_is_refused(programs: Path) -> None:
    program(programs, "quote", f"head -c {MAX_FILE + 1} /dev/zero > large")
    with session(TCTI) as tools:
        tools.run("quote")
        for name in ("large", "missing"):
            with pytest.raises(OwnEvidenceError, match=f"`{name}`"):
                tools.file(name)


def test_no_variable_of_the_gateway_reaches_a_program(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_PKCS11_PIN", "1234")
    monkeypatch.setenv("TPM2TOOLS_AUTOFLUSH", "yes")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    program(programs, "quote", "env")
    with session(TCTI) as tools:
        told = tools.run("quote").decode()
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "LC_ALL", "TMPDIR", "TPM2TOOLS_TCTI"}


def test_what_a_program_leaves_in_the_tpm_is_let_go_of_by_its_handle(programs: Path) -> None:
    """And not what was there before, which is somebody else's."""
    program(programs, "getcap", "echo '- 0x80000000'; cat left 2>/dev/null; :")
    program(programs, "quote", "echo '- 0x80000001' > left")
    program(programs, "flushcontext", 'echo "$@" >> flushed; rm left')
    with session(TCTI) as tools:
        tools.run("quote")
        assert tools.file("flushed") == b"0x80000001\n"


def test_nothing_is_left_on_the_disk(programs: Path) -> None:
    program(programs, "quote", "pwd; echo secret > seed")
    with session(TCTI) as tools:
        folder = Path(tools.run("quote").decode().strip())
        assert (folder / "seed").exists()
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    "text",
    [
        "", "cmd:ls", "libtpms", "/dev/tpm0", "device:/dev/tpm0 --x", "device:$(ls)",
        "swtpm:host=a;port=1", "device:/dev/tpm0\n", "tss2-tcti-device.so:/dev/tpm0",
        f"device:{'a' * 201}", "DEVICE:/dev/tpm0",
    ],
)  # fmt: skip
def test_what_could_load_a_library_or_start_a_program_is_no_tpm(text: str) -> None:
    with pytest.raises(ValueError, match="reaches no TPM"):
        check_tcti(text)


@pytest.mark.parametrize(
    "text", ["device:/dev/tpmrm0", "device", "tabrmd", "swtpm:host=::1,port=2421", "mssim:port=1"]
)
def test_what_reaches_a_tpm_is_taken(text: str) -> None:
    assert check_tcti(text) == text
