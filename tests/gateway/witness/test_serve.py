"""`charter witness` as its operator runs it: real processes, over HTTP."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.ledger.cosignature import WitnessPublicKey, verify_cosignatures
from gateway.ledger.note import parse_note
from gateway.witness.protocol import MAX_REQUEST
from tests.gateway.ledger.logs import KEY, ORIGIN
from tests.gateway.witness.histories import NAME, History
from tests.gateway_process import CHARTER
from tests.stock_tools import tlogcheck

HASH = sha256(ORIGIN.encode()).hexdigest()


@dataclass
class Running:
    """A witness in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    key: WitnessPublicKey

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type", ""), response.read()
        finally:
            connection.close()

    def add(self, body: bytes) -> tuple[int, str, bytes]:
        return self.ask("POST", "/add-checkpoint", body)


def new_key(place: Path) -> WitnessPublicKey:
    command = [*CHARTER, "witness", "new-key", "--folder", str(place), "--name", NAME]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return WitnessPublicKey.from_vkey(done.stdout.strip())


@contextmanager
def running(place: Path, key: WitnessPublicKey, *more: str) -> Generator[Running]:
    logs = place.parent / "logs.txt"
    logs.write_text(f"# ours\nlog {KEY.public.vkey}\n")
    command = [*CHARTER, "witness", "serve", "--folder", str(place), "--logs", str(logs)]
    process = subprocess.Popen([*command, "--port", "0", *more], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r":(\d+)", line)
        assert found is not None, line + process.stderr.read()
        yield Running(process, int(found[1]), key)
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("witness") / "w"


def test_a_witness_answers_over_http_as_the_specification_says(
    tmp_path: Path, history: History, other: History
) -> None:
    key = new_key(tmp_path / "w")
    with running(tmp_path / "w", key) as witness:
        assert witness.ask("GET", f"/{HASH}/checkpoint")[0] == 404
        status, media, line = witness.add(history.request(0, 3))
        assert (status, media) == (200, "text/plain; charset=utf-8")
        note = parse_note(history.notes[3].encode() + line)
        verify_cosignatures(note, [key], quorum=1)
        assert witness.add(history.request(1, 5)) == conflict(3)
        assert witness.add(other.request(3, 5))[0] == 422
        assert witness.add(b"old 3")[0] == 400
        assert witness.add(b"x" * (MAX_REQUEST + 1))[0] == 413
        assert witness.ask("GET", "/add-checkpoint")[0] == 405
        assert witness.ask("POST", "/elsewhere", b"")[0] == 404
        assert witness.ask("GET", "/../../etc/checkpoint")[0] == 404
        status, _, served = witness.ask("GET", f"/{HASH}/checkpoint")
        assert (status, served) == (200, history.notes[3].encode() + line)
    check_with_go(served, key)
    shown = subprocess.run(
        [*CHARTER, "witness", "show", "--folder", str(tmp_path / "w"), "--format", "json"],
        capture_output=True,
        check=True,
    )
    said = json.loads(shown.stdout)
    assert (said["vkey"], said["logs"][0]["origin"], said["logs"][0]["size"]) == (
        key.vkey,
        ORIGIN,
        3,
    )


def check_with_go(note: bytes, key: WitnessPublicKey) -> None:
    """Go's note package verifies the line, and no other text under it."""
    files = {"note": note, "other": note.replace(b"\n3\n", b"\n4\n")}
    done = tlogcheck("cosigned", key.vkey, "note", files=files)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"3 at \d+\n", done.stdout)
    assert tlogcheck("cosigned", key.vkey, "other", files=files).returncode == 1


def test_a_witness_that_is_killed_remembers_what_it_answered(
    tmp_path: Path, history: History, other: History
) -> None:
    key = new_key(tmp_path / "w")
    for old, new in ((0, 3), (3, 5), (5, 8)):
        with running(tmp_path / "w", key) as witness:
            if old:
                assert witness.add(other.request(old, new))[0] == 422
                assert witness.add(history.request(0, new)) == conflict(old)
            assert witness.add(history.request(old, new))[0] == 200
            witness.process.kill()
            witness.process.wait()
    with running(tmp_path / "w", key) as witness:
        assert witness.add(history.request(5, 8)) == conflict(8)


def conflict(size: int) -> tuple[int, str, bytes]:
    return 409, "text/x.tlog.size", b"%d\n" % size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "reachable by others"),  # noqa: S104
        (["--tls-cert", "x.pem"], "both"),
        (["--logs", "/does/not/exist"], "cannot read"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, place: Path, arguments: list[str], words: str
) -> None:
    if not place.exists():
        new_key(place)
    (tmp_path / "logs").write_text(f"log {KEY.public.vkey}\n")
    command = [*CHARTER, "witness", "serve", "--folder", str(place)]
    done = subprocess.run(
        [*command, "--logs", str(tmp_path / "logs"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_list_of_logs_that_cannot_be_read_names_its_line(tmp_path: Path, place: Path) -> None:
    if not place.exists():
        new_key(place)
    (tmp_path / "logs").write_text("# one\nquorum none\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "witness", "serve", "--folder", str(place),
         "--logs", str(tmp_path / "logs")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "line 2" in done.stderr) == (1, True)
