"""`charter serve` as a process: it refuses to start unsafely, stops in order, and no answer
that somebody got is ever lost, however it ends."""

import http.client
import json
import os
import random
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.keys import CheckpointPublicKey
from gateway.ledger.checkpoint import Checkpoint, verify_checkpoint
from gateway.state import open_state
from gateway.verify import Trust
from tests.gateway.cli.commands import CHARTER, Ran, finish, here, start
from tests.gateway.serving import Served, prepare, restart
from tests.gateway.world import made, question, write_project
from tests.gateway_process import GatewayProcess, start_gateway, stop
from tests.opa import run_opa

SEED = 20261122


# --- what does not start -------------------------------------------------------------


@pytest.fixture(scope="module")
def taken() -> Generator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, taken: int) -> dict[str, Ran]:
    """Many ways to start a gateway that must not start."""
    folder = tmp_path_factory.mktemp("refused")
    good = str(write_project(folder / "policies"))
    broken = write_project(folder / "broken")
    (broken / "law.charter").write_text("charter x\nrule")
    half = folder / "half"
    open_state(half)
    (half / "origin").unlink()
    other = folder / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    readable = folder / "readable"
    open_state(readable)
    (readable / "checkpoint.key").chmod(0o640)
    tokens = folder / "tokens"
    open_state(tokens)
    (tokens / "tokens.json").chmod(0o644)
    bad_catalogue = folder / "bad.toml"
    bad_catalogue.write_text("x = ")
    # Of the processes of the default, each would have to be waited for; see below.
    serve = ["serve", "--port", "0", "--workers", "0"]
    base: list[str | Path] = [*serve, "--policies", good]

    def state(name: str) -> list[str | Path]:
        return ["--state", folder / name]

    commands: dict[str, list[str | Path]] = (
        {
            "port in use": [*base, "--port", str(taken), *state("a")],
            "port is no number": [*base, "--port", "http", *state("b")],
            "port too large": [*base, "--port", "70000", *state("c")],
            "open to others": [*base, "--host", "0.0.0.0", *state("d")],  # noqa: S104
            "open to others by name": [*base, "--host", "gateway.invalid", *state("e")],
            "certificate alone": [*base, "--tls-cert", good, *state("f")],
            "no such certificate": [
                *base, "--tls-cert", "/nowhere", "--tls-key", "/nowhere", *state("g"),
            ],
            "broken charters": [*serve, "--policies", broken, *state("h")],
            "no charters": [*serve, "--policies", other, *state("i")],
            "broken catalogue": [*base, "--catalogue", bad_catalogue, *state("j")],
            "half-made state": [*base, *state("half")],
            "folder of something else": [*base, *state("other")],
            "key open to others": [*base, *state("readable")],
            "tokens open to others": [*base, *state("tokens")],
            "bad origin": [*base, "--origin", "two words", *state("k")],
            "opa without address": [*base, "--engines", "cedar,opa", *state("l")],
            "memo below nought": [*base, "--memo", "-5", *state("n")],
        }
    )  # fmt: skip
    return {name: here(*arguments) for name, arguments in commands.items()}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("port in use", "Address already in use; give another --port"),
        ("port is no number", "`http` is no port"),
        ("port too large", "`70000` is no port"),
        ("open to others", "give --tls-cert and --tls-key"),
        ("open to others by name", "give --tls-cert and --tls-key"),
        ("certificate alone", "both --tls-cert and --tls-key"),
        ("no such certificate", "No such file"),
        ("no charters", "no file that ends in .charter"),
        ("broken catalogue", "not TOML"),
        ("half-made state", "not set up to its end"),
        ("folder of something else", "not empty"),
        ("key open to others", "chmod 600"),
        ("tokens open to others", "chmod 600"),
        ("bad origin", "cannot name a log"),
        ("opa without address", "give --opa-url"),
        ("memo below nought", "no number"),
    ],
)
def test_what_cannot_be_served_is_one_line(refused: dict[str, Ran], case: str, words: str) -> None:
    ran = refused[case]
    ran.check_clean()
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_charters_with_mistakes_are_shown_and_not_served(refused: dict[str, Ran]) -> None:
    ran = refused["broken charters"]
    ran.check_clean()
    assert ran.code == 3
    assert "law.charter:" in ran.err


def test_a_token_made_before_a_failure_is_shown_all_the_same(tmp_path: Path) -> None:
    policies = write_project(tmp_path / "policies")
    opa = ("--engines", "opa", "--opa-url", "http://127.0.0.1:1")
    where = ("--policies", policies, "--state", tmp_path / "state")
    ran = finish(start("serve", "--port", "0", *opa, *where))
    ran.check_clean()
    assert ran.code == 1
    assert ran.err.count("CHARTER_TOKEN=charter_") == 1
    assert ran.err.splitlines()[-1].startswith("charter: engines: opa: ")


def test_what_fails_early_makes_no_state_folder(
    refused: dict[str, Ran], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder,) = tmp_path_factory.getbasetemp().glob("refused[0-9]")
    assert refused
    assert {path.name for path in folder.iterdir()} == {
        "policies", "broken", "half", "other", "readable", "tokens", "bad.toml",
    }  # fmt: skip
    assert [path.name for path in (folder / "other").iterdir()] == ["thesis.tex"]


# --- load ----------------------------------------------------------------------------


class Load:
    """Callers that ask until they are told to stop or nobody answers any more."""

    def __init__(self, running: Served, callers: int = 4) -> None:
        self.answers: list[tuple[Any, dict[str, Any]]] = []
        self.statuses: list[int] = []
        self._running = running
        self._stop = threading.Event()
        self._random = random.Random(SEED)  # noqa: S311 - a test wants it repeatable
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        headers = {
            "Authorization": f"Bearer {self._running.own}",
            "Content-Type": "application/json",
        }
        port = self._running.gateway.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            while not self._stop.is_set():
                asked = question(
                    resource__id=self._random.choice(["near", "far"]),
                    context__transfer__age=self._random.randrange(700),
                )
                connection.request("POST", "/v1/decisions", json.dumps(asked), headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
                self.statuses.append(response.status)
                if response.status == 200:
                    self.answers.append((asked, answer))
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            pass  # cut off in the middle: this caller has no answer
        finally:
            connection.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()


@pytest.fixture
def running(tmp_path: Path) -> Generator[Served]:
    tokens = prepare(tmp_path)
    policies = tmp_path / "policies"
    gateway = start_gateway(tmp_path / "state", "--policies", str(policies), token=tokens["own"])
    yield Served(gateway, policies, **tokens)
    stop(gateway)


def checkpoint(gateway: GatewayProcess) -> Checkpoint:
    trust = json.loads(gateway.trust.read_text())
    key = CheckpointPublicKey.from_vkey(trust["log"]["vkey"])
    note = gateway.request("GET", "/checkpoint").body
    return verify_checkpoint(note, key, origin=trust["log"]["origin"])


def check_all_found(served: Served, answers: list[tuple[Any, dict[str, Any]]]) -> None:
    """Every answer verifies, is found with the same record, and its place has not changed."""
    for asked, answer in answers:
        verified = served.verify(answer, expect_request=asked)
        found = served.gateway.request("GET", f"/v1/decisions/{answer['id']}").json
        assert found["record"] == answer["record"]
        again = served.verify(found, expect_request=asked)
        assert (again.index, again.id) == (verified.index, verified.id)
        assert again.tree_size >= verified.tree_size


def test_after_sigkill_under_load_no_answer_that_was_received_is_lost(running: Served) -> None:
    pauses = random.Random(SEED)  # noqa: S311
    kept: list[tuple[Any, dict[str, Any]]] = []
    served = running
    for number in range(2):
        load = Load(served)
        time.sleep(pauses.uniform(0.4, 0.8))
        served.gateway.process.send_signal(signal.SIGKILL)
        stop(served.gateway)
        load.end()
        kept += load.answers
        assert len(load.answers) > 10
        served = Served(
            restart(served), served.policies, served.own, served.other_tenant,
            served.flow_only, served.expired,
        )  # fmt: skip
        try:
            now = checkpoint(served.gateway)
            # What was written and never answered may be there too; nothing may be missing.
            assert now.size >= len(kept)
            if number:  # all of both, after the second time
                check_all_found(served, kept)
            one = served.ask(question()).json
            assert served.verify(one).index == now.size
        except BaseException:
            stop(served.gateway)
            raise
    stop(served.gateway)
    indexes = [served.verify(answer).index for _, answer in kept]
    assert len(set(indexes)) == len(indexes)


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(running: Served) -> None:
    load = Load(running)
    time.sleep(0.4)
    running.gateway.process.send_signal(signal.SIGTERM)
    assert running.gateway.process.wait(10) == 0
    load.end()
    assert set(load.statuses) <= {200, 503}
    assert len(load.answers) > 10
    again = restart(running)
    try:
        served = Served(again, running.policies, running.own, "", "", "")
        # In order: what was answered is all there is.
        assert checkpoint(again).size == len(load.answers) + 1  # and the first of the log
        check_all_found(served, load.answers[-5:])
    finally:
        stop(again)


def test_a_question_half_sent_at_sigterm_is_answered(running: Served) -> None:
    sent = json.dumps(question()).encode()
    with socket.create_connection(("127.0.0.1", running.gateway.port), 5) as connection:
        connection.sendall(
            b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Authorization: Bearer {running.own}\r\nContent-Length: {len(sent)}\r\n\r\n".encode()
            + sent[:50]
        )
        time.sleep(0.2)
        running.gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(sent[50:])
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 ")
    running.verify(json.loads(answer.partition(b"\r\n\r\n")[2]))
    assert running.gateway.process.wait(10) == 0


def test_sigint_ends_in_order_too(running: Served) -> None:
    running.gateway.process.send_signal(signal.SIGINT)
    assert running.gateway.process.wait(10) == 0
    assert "Traceback" not in "".join(running.gateway.stderr)


# --- a whole run ---------------------------------------------------------------------


def test_a_first_run_makes_a_closed_folder_shows_the_token_once_and_leaks_nothing(
    tmp_path: Path,
) -> None:
    policies = write_project(tmp_path / "policies")
    gateway = start_gateway(tmp_path / "state", "--policies", str(policies))
    try:
        while gateway.token is None:
            time.sleep(0.01)
        assert stat.S_IMODE(gateway.state.stat().st_mode) == 0o700
        files = [path for path in gateway.state.rglob("*") if path.is_file()]
        public = {"decision.pem", "trust.json", "origin"}
        open_to_others = {path.name for path in files if path.stat().st_mode & 0o077}
        assert open_to_others <= public
        answer = gateway.decide(question())
        gateway.request("GET", "/v1/decisions/x", token="wrong")
        gateway.request("POST", "/v1/decisions", b"{", {"Content-Type": "application/json"})
    finally:
        stop(gateway)
    said = "".join(gateway.stderr)
    secret = gateway.token.split("_", 2)[2]
    assert said.count(secret) == 1
    assert secret not in json.dumps(answer)
    for key in ("decision.key", "checkpoint.key"):
        for line in (gateway.state / key).read_text().splitlines()[1:-1]:
            assert line not in said + json.dumps(answer)
    # A second run does not show it again.
    second = start_gateway(gateway.state, "--policies", str(policies), token=gateway.token)
    try:
        assert second.decide(question())["decision"] == "permit"
    finally:
        stop(second)
    assert secret not in "".join(second.stderr)
    assert "CHARTER_TOKEN" not in "".join(second.stderr)


def test_a_second_gateway_on_one_state_folder_is_refused(running: Served) -> None:
    where = ("--policies", running.policies, "--state", running.gateway.state)
    ran = finish(start("serve", "--port", "0", *where))
    ran.check_clean()
    assert ran.code == 1
    assert "a gateway runs on this state folder" in ran.line
    assert running.ask(question()).status == 200


def test_events_are_lines_of_json(tmp_path: Path) -> None:
    tokens = prepare(tmp_path)
    gateway = start_gateway(
        tmp_path / "state", "--policies", str(tmp_path / "policies"), "--format", "json",
        token=tokens["own"],
    )  # fmt: skip
    try:
        answer = gateway.decide(question())
    finally:
        stop(gateway)
    events = [json.loads(line) for line in gateway.stderr]
    assert events[0]["event"] == "listening"
    assert events[0]["url"] == gateway.url
    assert [e["decision_id"] for e in events if e["event"] == "decision"] == [answer["id"]]


def test_an_opa_server_that_was_checked_at_start_is_asked_afterwards(tmp_path: Path) -> None:
    tokens = prepare(tmp_path)
    with run_opa(made().opa_tarball()) as server:
        gateway = start_gateway(
            tmp_path / "state", "--policies", str(tmp_path / "policies"), "--engines",
            "cedar,opa", "--opa-url", f"http://{server.host}:{server.port}", token=tokens["own"],
        )  # fmt: skip
        try:
            answer = gateway.decide(question())
        finally:
            stop(gateway)
    assert answer["engines"] == {"cedar": "permit", "opa": "permit"}
    assert answer["incident"] is None


# --- TLS -----------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    issued = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "key.pem").chmod(0o600)
    return folder / "cert.pem", folder / "key.pem"


def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    tokens = prepare(tmp_path)
    command = [
        *CHARTER, "serve", "--port", "0", "--tls-cert", str(cert), "--tls-key", str(key),
        "--state", str(tmp_path / "state"), "--policies", str(tmp_path / "policies"),
        "--format", "json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stderr is not None
        url: str = json.loads(process.stderr.readline())["url"]
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(cert))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        port = int(url.rpartition(":")[2])
        answer = _ask_over_tls(port, context, tokens["own"])
    finally:
        process.terminate()
        assert process.wait(10) == 0
        if process.stderr is not None:
            process.stderr.close()
    trust = Trust.from_json((tmp_path / "state" / "trust.json").read_bytes())
    assert trust.origin == "ledger.example/test"
    assert answer["decision"] == "permit"


def _ask_over_tls(port: int, context: ssl.SSLContext, token: str) -> dict[str, Any]:
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/decisions", json.dumps(question()), headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
