"""The command: what it sends, what it refuses to do, and its exit codes."""

import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conformance import runner
from conformance.client import Client, Target
from conformance.errors import CannotRunError
from conformance.run import Plan, run_suite
from conformance.runner import main
from conformance.shape import difference
from conformance.suite import HERE, load_suite
from conformance.verdict import Verdict
from tests.conformance.minimal_gateway import minimal
from tests.conformance.serving import PROBLEM, TOKEN, Handler, send, serve
from tests.conformance.wrong_gateways import INCONCLUSIVE, hangs

SUITE = load_suite()
STEPS = sum(len(case.steps) for case in SUITE.cases)


def report_of(file: Path) -> dict[str, Any]:
    return json.loads(file.read_bytes())


# --- what is sent ---


def test_each_step_is_one_post_with_the_token(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        assert gateway.run() == 0
    assert gateway.paths == ["/v1/decisions"] * STEPS
    for headers in gateway.headers:
        assert headers["authorization"] == f"Bearer {TOKEN}"
        assert headers["content-type"] == "application/json"


def test_a_base_url_may_have_a_path(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        arguments = ["--base-url", f"{gateway.base_url}/eu/", "--token-file"]
        assert main([*arguments, str(gateway.token_file), "--case", "CT-GDPR-0044-001"]) == 0
    assert gateway.paths == ["/eu/v1/decisions"]


def test_nothing_that_is_sent_names_the_suite(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        gateway.run()
    sent = repr(gateway.headers) + repr(gateway.bodies)
    for word in ("conformance", "charter", "CT-", "python", "{{"):
        assert word not in sent.lower().replace("ct-", "CT-")


def test_a_seed_repeats_and_another_varies_order_and_names(tmp_path: Path) -> None:
    sent: list[list[bytes]] = []
    for seed in ("1", "1", "2"):
        with serve(minimal(), tmp_path) as gateway:
            gateway.run("--seed", seed)
        sent.append(gateway.bodies)
    assert sent[0] == sent[1]
    assert sent[0] != sent[2]
    names, others = ({json.loads(body)["subject"]["id"] for body in sent[n]} for n in (0, 2))
    assert len(names) == 5
    assert names.isdisjoint(others)


def test_on_the_wire_twins_are_one_leaf_apart(tmp_path: Path) -> None:
    for case in SUITE.cases:
        with serve(minimal(), tmp_path) as gateway:
            gateway.run("--case", case.id)
            gateway.run("--case", case.twin)
        first, second = (json.loads(gateway.bodies[n]) for n in (0, len(case.steps)))
        assert len(difference(first, second)) == 1


def test_a_seed_is_drawn_and_reported_where_none_is_given(tmp_path: Path) -> None:
    seeds: set[int] = set()
    for _ in range(3):
        with serve(minimal(), tmp_path) as gateway:
            arguments = ["--base-url", gateway.base_url, "--token-file", str(gateway.token_file)]
            assert main([*arguments, "--report", str(tmp_path / "r.json")]) == 0
        seeds.add(report_of(tmp_path / "r.json")["seed"])
    assert len(seeds) > 1


def test_a_proxy_of_the_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serve(minimal(), tmp_path) as gateway:
        assert gateway.run("--case", "CT-GDPR-0044-001") == 0


# --- the line ---


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_at_the_address_could_not_run(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    arguments = ["--base-url", f"http://127.0.0.1:{closed_port()}", "--token-file", str(token)]
    assert main([*arguments, "--report", str(tmp_path / "r.json")]) == 1
    report = report_of(tmp_path / "r.json")
    assert (report["result"], report["conforms"]) == ("could-not-run", False)
    assert report["counts"]["inconclusive"] == 10


def test_a_line_that_breaks_once_is_tried_again(tmp_path: Path) -> None:
    broken: list[bytes] = []

    def breaks_first(handler: Handler, body: bytes) -> None:
        if body in broken:
            minimal()(handler, body)
        broken.append(body)

    with serve(breaks_first, tmp_path) as gateway:
        assert gateway.run("--report", str(tmp_path / "r.json")) == 0
    attempts = {
        step["attempts"] for step in report_of(tmp_path / "r.json")["run"]["steps"].values()
    }
    assert attempts == {2}


def test_a_line_that_breaks_twice_is_not_tried_a_third_time(tmp_path: Path) -> None:
    with serve(lambda _handler, _body: None, tmp_path) as gateway:
        assert gateway.run() == 1
    assert len(gateway.bodies) == 2 * STEPS


def test_a_timeout_is_not_tried_again(tmp_path: Path) -> None:
    with serve(hangs, tmp_path) as gateway:
        assert gateway.run("--timeout", "0.1", "--case", "CT-GDPR-0044-001") == 2
    assert len(gateway.bodies) == 1


def test_a_line_that_breaks_within_an_answer_is_not_tried_again(tmp_path: Path) -> None:
    with serve(INCONCLUSIVE["cut-body"][0], tmp_path) as gateway:
        assert gateway.run("--case", "CT-GDPR-0044-001") == 2
    assert len(gateway.bodies) == 1


def test_a_wait_ends_on_time_however_the_bytes_come(tmp_path: Path) -> None:
    def drips(handler: Handler, _: bytes) -> None:
        for _count in range(100):
            handler.wfile.write(b"H")
            time.sleep(0.05)

    with serve(drips, tmp_path) as gateway:
        started = time.monotonic()
        assert gateway.run("--timeout", "0.3", "--case", "CT-GDPR-0044-001") == 2
    assert time.monotonic() - started < 2


def test_a_token_that_is_refused_everywhere_could_not_run(tmp_path: Path) -> None:
    with serve(lambda handler, _: send(handler, 401, b"{}", PROBLEM), tmp_path) as gateway:
        assert gateway.run("--report", str(tmp_path / "r.json")) == 1
    assert report_of(tmp_path / "r.json")["counts"]["inconclusive"] == 10


def test_a_token_that_is_refused_now_and_then_does_not_conform(tmp_path: Path) -> None:
    def moody(handler: Handler, body: bytes) -> None:
        if b'"essential"' in body:
            send(handler, 403, b"{}", PROBLEM)
        else:
            minimal()(handler, body)

    with serve(moody, tmp_path) as gateway:
        assert gateway.run() == 2


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "gateway.pem"
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(pem, private, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return file


@pytest.mark.parametrize(
    ("flags", "code", "protection", "protected"),
    [
        ([], 1, "TLS, verified", True),
        (["--ca-file", "{pem}"], 0, "TLS, verified", True),
        (["--no-tls-verify"], 0, "TLS, not verified", False),
    ],
)
def test_tls_is_verified_unless_a_flag_says_otherwise(
    certificate: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    code: int,
    protection: str,
    protected: bool,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    flags = [flag.format(pem=certificate) for flag in flags]
    with serve(minimal(), tmp_path, tls=context) as gateway:
        assert gateway.run("--report", str(tmp_path / "r.json"), *flags) == code
    target = report_of(tmp_path / "r.json")["target"]
    assert (target["protection"], target["protected"]) == (protection, protected)
    assert ("warning: protection" in capsys.readouterr().out) is not protected
    assert (gateway.bodies == []) is (code == 1)


def test_plain_http_beyond_this_machine_is_said_in_the_report() -> None:
    assert not Target("http://gateway.example", TOKEN).protected
    assert Target("http://[::1]:8080", TOKEN).protected
    assert Target("https://gateway.example", TOKEN).protected


# --- what it refuses to do ---


@pytest.mark.parametrize(
    "url",
    [
        "gateway.example",
        "ftp://gateway.example",
        "http://",
        "http://gateway.example:port",
        "http://gateway.example:99999",
        "http://user:secret@gateway.example",
        "http://gateway.example?x=1",
        "http://gateway.example#x",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_a_base_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(CannotRunError, match="base URL"):
        Target(url, TOKEN)


@pytest.mark.parametrize(
    "content", ["", "\n", "two\nlines", "with space", "a\x07b", "Bearer x", "ä", "x\r\nHost: y"]
)
def test_a_token_that_fits_no_header_is_refused(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    assert main(["--base-url", "http://127.0.0.1:9", "--token-file", str(file)]) == 1
    assert "token" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["--base-url", "http://127.0.0.1:9"], "required"),
        (["{good}", "--case", "CT-GDPR-0099-001"], "CT-GDPR-0099-001: not known"),
        (["{good}", "--profile", "ledger"], "ledger: not known; write decision-core"),
        (["{good}", "--without", "wings"], "wings: not known; write eu-pack"),
        (["{good}", "--seed", "-1"], "--seed"),
        (["{good}", "--seed", "9007199254740992"], "--seed"),
        (["{good}", "--seed", "x"], "--seed"),
        (["{good}", "--timeout", "0"], "--timeout"),
        (["{good}", "--timeout", "nan"], "--timeout"),
        (["{good}", "--format", "html"], "--format"),
        (["{good}", "--bogus"], "--bogus"),
        (["{good}", "--base", "x"], "--base"),
        (["{good}", "--report", "/no/such/folder/r.json"], "no such folder"),
        (["{good}", "--token-file", "/no/such/file"], "cannot read the token"),
    ],
)
def test_a_wrong_argument_could_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    good = ["--base-url", "http://127.0.0.1:9", "--token-file", str(token)]
    if arguments[:1] == ["{good}"]:
        arguments = [*good, *arguments[1:]]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_a_file_of_trust_roots_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "roots.pem"
    wrong.write_text("no roots")
    with pytest.raises(CannotRunError, match="trust roots"):
        Client(Target("https://127.0.0.1:9", TOKEN, ca_file=wrong))


def test_a_broken_suite_could_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "load_suite", lambda: load_suite(tmp_path))
    with serve(minimal(), tmp_path) as gateway:
        assert gateway.run() == 1
    assert gateway.bodies == []
    assert "requirements.toml" in capsys.readouterr().err


def test_a_fault_of_the_runner_is_an_error_and_could_not_run() -> None:
    class Broken:
        def ask(self, body: bytes) -> Any:
            raise ZeroDivisionError

    outcome = run_suite(SUITE, Broken(), Plan(1, frozenset({"decision-core"})))
    assert {result.verdict for result in outcome.cases} == {Verdict.ERROR}
    assert outcome.result == "could-not-run"


# --- what is not run ---


def test_a_chosen_case_is_run_alone_and_the_rest_is_listed(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        chosen = ["--case", "CT-GDPR-0046-001", "--report", str(tmp_path / "r.json")]
        assert gateway.run(*chosen) == 0
    report = report_of(tmp_path / "r.json")
    assert (report["result"], report["conforms"]) == ("partial", False)
    assert len(gateway.bodies) == 1
    assert len(report["not_run"]) == 9
    assert all(case["why"] for case in report["not_run"])
    verdicts = {row["id"]: row["verdict"] for row in report["requirements"]}
    assert verdicts["REQ-GDPR-46-1"] == "not-claimed"
    assert verdicts["REQ-BEARER"] == "no-case"


def test_a_feature_that_is_not_claimed_never_conforms(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        flags = ["--without", "eu-pack", "--report", str(tmp_path / "r.json")]
        assert gateway.run(*flags) != 0
    report = report_of(tmp_path / "r.json")
    assert report["conforms"] is False
    assert report["counts"]["not-claimed"] == 10


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], prog="charter conformance run") == 0
    assert "usage: charter conformance run" in capsys.readouterr().out


def test_the_module_runs_as_a_program_on_python_alone(tmp_path: Path) -> None:
    with serve(minimal(), tmp_path) as gateway:
        # Alone: no other package of ours in reach, and no library but Python's own.
        command = [sys.executable, "-I", "-S", "-c"]
        program = (
            "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
            "runpy.run_module('conformance.runner', run_name='__main__', alter_sys=True)"
        )
        (tmp_path / "alone").mkdir()
        (tmp_path / "alone" / "conformance").symlink_to(HERE)
        arguments = ["--base-url", gateway.base_url, "--token-file", str(gateway.token_file)]
        where = str(tmp_path / "alone")
        done = subprocess.run(
            [*command, program, where, *arguments, "--format", "json"],
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["result"] == "conforms"
