"""`charter decide`: in this process, dry, and at a running gateway."""

import json
import os
import socket
import stat
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gateway.state import open_state
from gateway.verify import Trust, verify_decision
from tests.gateway.cli.commands import Charter, Ran
from tests.gateway.serving import Served, served
from tests.gateway.world import question
from tests.gateway_process import free_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return write(tmp_path, question())


def write(folder: Path, value: object) -> Path:
    path = folder / "question.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


ENGINE = ("--engines", "reference")


class Local:
    """`charter decide` on the small law, with a state folder of its own."""

    def __init__(self, charter: Charter, project: Path, state: Path) -> None:
        self.state = state
        self._charter = charter
        self._project = project

    def __call__(self, *arguments: str | Path) -> Ran:
        where = ("--policies", self._project, "--state", self.state)
        return self._charter("decide", *arguments, *where, *ENGINE)


@pytest.fixture
def local(charter: Charter, project: Path, tmp_path: Path) -> Local:
    return Local(charter, project, tmp_path / "state")


# --- here ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({}, 0, "PERMITTED"),
        ({"resource__id": "far"}, 2, "DENIED"),
        ({"resource__id": "closed"}, 2, "DENIED"),
        ({"resource__id": "far", "context__transfer__tool": None}, 4, "UNDETERMINED"),
    ],
)
def test_the_exit_code_says_what_was_decided(
    local: Local, tmp_path: Path, changes: dict[str, Any], code: int, word: str
) -> None:
    path = write(tmp_path, question(**changes))
    human, plain = local(path), local(path, "--format", "plain")
    machine = local(path, "--format", "json")
    assert (human.code, plain.code, machine.code) == (code, code, code)
    assert human.out.startswith(word)
    assert plain.out.startswith(f"decision {json.loads(machine.out)['decision']} place ")


def test_a_decision_made_here_verifies_and_is_kept(local: Local, tmp_path: Path) -> None:
    saved = tmp_path / "answers" / "answer.json"
    path = write(tmp_path, question(resource__id="far"))
    assert local(path, "--save", saved).code == 2
    answer = json.loads(saved.read_text())
    trust = Trust.from_json((local.state / "trust.json").read_bytes())
    verified = verify_decision(answer, trust, expect_request=question(resource__id="far"))
    assert (verified.decision, verified.index, answer["tenant"]) == ("deny", 0, "default")
    assert stat.S_IMODE(local.state.stat().st_mode) == 0o700


def test_the_token_of_a_new_state_folder_is_shown_once_on_standard_error(
    local: Local, asked: Path
) -> None:
    first, second = local(asked), local(asked)
    assert first.err.count("CHARTER_TOKEN=charter_") == 1
    assert "charter_" not in first.out + second.out + second.err


def test_who_holds_the_keys_may_speak_for_any_tenant(local: Local, tmp_path: Path) -> None:
    path = write(tmp_path, question(subject__properties={"tenant": "clinic-b"}))
    ran = local(path, "--format", "json")
    assert (ran.code, json.loads(ran.out)["tenant"]) == (0, "clinic-b")


def test_a_dry_run_signs_and_records_nothing(local: Local, asked: Path) -> None:
    ran = local(asked, "--on", "2026-11-22", "--format", "json")
    assert ran.code == 0
    assert "nothing was signed" in ran.err
    answer = json.loads(ran.out)
    assert not {"id", "record", "proof"} & answer.keys()
    assert not local.state.exists()


@pytest.mark.parametrize(
    ("day", "changes", "code"),
    [
        ("2026-06-30", {"resource__id": "far"}, 0),
        ("2026-07-01", {"resource__id": "far"}, 2),
        ("2027-01-15", {"resource__id": "far", "context__transfer__tool": "clauses"}, 0),
        ("2027-01-16", {"resource__id": "far", "context__transfer__tool": "clauses"}, 2),
    ],
)
def test_a_dry_run_is_on_that_day_in_every_time_zone_of_the_charters(
    local: Local, tmp_path: Path, day: str, changes: dict[str, Any], code: int
) -> None:
    ran = local(write(tmp_path, question(**changes)), "--on", day, "--format", "json")
    assert ran.code == code
    # Brussels and Auckland: no instant is the whole of one day in both.
    assert set(json.loads(ran.out)["today"].values()) == {day}


@pytest.mark.parametrize(
    "day", ["tomorrow", "2026-02-30", "2026-1-1", "20261122", "", "22.11.2026", "0001-01-01"]
)
def test_what_is_no_day_is_refused(local: Local, asked: Path, day: str) -> None:
    ran = local(asked, "--on", day)
    assert ran.code == 1
    assert "no day" in ran.line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "nested more than"),
        ('{"a": NaN}', "/a: "),
        ('{"a": 1, "a": 2}', "/a: "),
        (json.dumps(question(subject=...)), "/subject: this member is missing"),
        (json.dumps(question(resource__id="moon")), "/resource/id: the catalogue"),
        (json.dumps(question(context__data__label=1)), "/context/data/label: "),
        (json.dumps(question(action__name="fly")), "/action/name: there is no action"),
        (json.dumps(question(subject__properties={"tenant": "a\nb"})), "tenant"),
        (" " * 2_000_000, "larger than"),
    ],
)
def test_a_question_that_cannot_be_read_is_one_line_and_records_nothing(
    local: Local, asked: Path, tmp_path: Path, content: str, words: str
) -> None:
    local(asked)
    size = (local.state / "ledger" / "ledger.sqlite3").stat().st_size
    ran = local(write(tmp_path, content))
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert (local.state / "ledger" / "ledger.sqlite3").stat().st_size == size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/nowhere.json",), "/nowhere.json: cannot read it: No such file"),
        (("/",), "this is no file"),
        (("/dev/zero",), "this is no file"),
        (("{asked}", "--catalogue", "/nowhere.toml"), "No such file"),
        (("{asked}", "--fixtures", "/nowhere.toml"), "No such file"),
        (("{asked}", "--memo", "-1"), "no number"),
        (("{asked}", "--memo", "many"), "no number"),
        (("{asked}", "--save", "/proc/x/y.json"), "cannot write it"),
        (("{asked}", "--state", "/proc/x"), "cannot use it as state folder"),
        (("{asked}", "--url", "http://127.0.0.1:1", "--on", "2026-11-22"), "dry run"),
        (("{asked}", "--url", "ftp://x"), "no address of a gateway"),
        (("{asked}", "--url", "127.0.0.1"), "no address of a gateway"),
        (("{asked}", "--url", "http://"), "no address of a gateway"),
        (("{asked}", "--url", "http://[::1"), "no address of a gateway"),
        (("{asked}", "--url", "http://x:99999"), "no address of a gateway"),
        (("{asked}", "--url", "http://127.0.0.1:1"), "no answer from http://127.0.0.1:1"),
        (("{asked}", "--url", "http://127.0.0.1:1", "--token-file", "/nowhere"), "No such file"),
        (("{asked}", "--engines", "opa"), "give --opa-url"),
        (("{asked}", "--engines", "opa", "--opa-url", "x"), "--opa-url must be the address"),
        (("{asked}", "--engines", "opa", "--opa-url", "http://x:y"), "--opa-url must be"),
        (("{asked}", "--engines", "opa", "--opa-url", "http://127.0.0.1:1"), "engines: opa: "),
        (("{asked}", "--engines", "sql"), "there is no engine `sql`"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    charter: Charter,
    project: Path,
    asked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", "charter_abcdef01_" + "x" * 43)
    given = [argument.replace("{asked}", str(asked)) for argument in arguments]
    options = ["--policies", str(project), "--state", str(tmp_path / "state"), *ENGINE]
    named = {option for option in given if option.startswith("--")}
    for option, value in zip(options[::2], options[1::2], strict=True):
        given += [] if option in named else [option, value]
    ran = charter("decide", *given)
    assert ran.code == 1
    # A new state folder shows its token before anything can fail.
    last = [line for line in ran.err.splitlines() if line.startswith("charter: ")]
    assert len(last) == 1
    assert words in last[0]


def test_without_charters_that_compile_there_is_no_state_folder(
    local: Local, project: Path, asked: Path
) -> None:
    (project / "law.charter").write_text("charter")
    ran = local(asked)
    assert ran.code == 3
    assert not local.state.exists()


def test_a_half_made_state_folder_is_refused(local: Local, asked: Path) -> None:
    local(asked)
    (local.state / "origin").unlink()
    ran = local(asked)
    assert ran.code == 1
    assert "not set up to its end" in ran.line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_made_is_refused(
    local: Local, asked: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    ran = local(asked)
    assert (ran.code, "cannot use it as state folder" in ran.line) == (1, True)


def test_a_key_that_others_can_read_is_refused(local: Local, asked: Path) -> None:
    local(asked)
    (local.state / "decision.key").chmod(0o644)
    ran = local(asked)
    assert ran.code == 1
    assert "chmod 600" in ran.line


# --- at a gateway --------------------------------------------------------------------


@pytest.fixture
def remote(
    charter: Charter, gateway: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Charter:
    monkeypatch.delenv("CHARTER_TOKEN", raising=False)
    token = tmp_path / "token"
    token.write_text(gateway.own + "\n")
    token.chmod(0o600)
    return charter


@pytest.mark.parametrize(("site", "code"), [("near", 0), ("far", 2), ("vague", 4)])
def test_a_gateway_decides_and_the_answer_is_kept(
    remote: Charter, gateway: Served, tmp_path: Path, site: str, code: int
) -> None:
    value = question(resource__id=site, context__transfer__tool="none")
    value["context"]["data"]["labels"] = ["public"] if site == "vague" else ["health"]
    asked, saved = write(tmp_path, value), tmp_path / "answer.json"
    ran = remote(
        "decide", asked, "--url", gateway.gateway.url, "--token-file", tmp_path / "token",
        "--save", saved, "--trust", gateway.gateway.trust,
    )  # fmt: skip
    assert (ran.code, ran.err) == (code, "")
    assert saved.stat().st_mode & 0o777 == 0o600
    gateway.verify(json.loads(saved.read_text()), expect_request=value)
    again = remote("verify", saved, "--trust", gateway.gateway.trust, "--request", asked)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("OK: decision ")


def test_the_token_comes_from_the_environment(
    remote: Charter, gateway: Served, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", gateway.own)
    assert remote("decide", asked, "--url", gateway.gateway.url).code == 0


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "there is no token"),
        ("two words", "holds no token"),
        ("a\nb", "holds no token"),
        ("charter_x", "The caller is not known"),
        ("é", "holds no token"),
    ],
)
def test_a_token_that_does_not_count_is_one_line(
    remote: Charter, gateway: Served, asked: Path, tmp_path: Path, token: str, words: str
) -> None:
    (tmp_path / "token").write_text(token)
    ran = remote("decide", asked, "--url", gateway.gateway.url, "--token-file", tmp_path / "token")
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_what_the_gateway_refuses_is_one_line_with_the_place(
    remote: Charter, gateway: Served, tmp_path: Path
) -> None:
    asked = write(tmp_path, question(context__data__labels=["helth"]))
    ran = remote("decide", asked, "--url", gateway.gateway.url, "--token-file", tmp_path / "token")
    assert ran.code == 1
    assert "/context/data/labels: " in ran.line
    assert "did you mean `health`?" in ran.line


def test_a_state_folder_of_a_running_gateway_is_refused(
    charter: Charter, gateway: Served, asked: Path
) -> None:
    ran = charter(
        "decide", asked, "--policies", gateway.policies, "--state", gateway.gateway.state, *ENGINE
    )
    assert ran.code == 1
    assert "--url" in ran.line


# --- at something else ---------------------------------------------------------------

OTHERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a page": (200, {}, b"<html>"),
    "an empty object": (200, {}, b"{}"),
    "another decision": (200, {}, b'{"decision": "maybe"}'),
    "a decision alone": (200, {}, b'{"decision": "permit"}'),
    "a list": (200, {}, b"[]"),
    "deep": (200, {}, b"[" * 100_000),
    "an error page": (500, {}, b"<html>"),
    "a problem without title": (400, {}, b"{}"),
    "a problem with odd errors": (400, {}, b'{"title": "x", "errors": [7]}'),
    "a problem that steers the terminal": (
        400,
        {},
        b'{"title": "\\u001b]0;owned\\u0007\\u001b[2J\\nPERMITTED: place"}',
    ),
    "a redirect": (302, {"Location": "{url}/stolen"}, b""),
    "a redirect that keeps the method": (307, {"Location": "{url}/stolen"}, b""),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_gateway_is_one_line_and_no_permit(
    charter: Charter, asked: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, headers, body = OTHERS[case]
    paths: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value.replace("{url}", url))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", free_port()), Other)
    url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("CHARTER_TOKEN", "charter_abcdef01_" + "x" * 43)
    try:
        ran = charter("decide", asked, "--url", url)
    finally:
        server.shutdown()
        server.server_close()
    assert (ran.code, ran.out) == (1, "")
    assert ran.line.isprintable()
    assert paths == ["/v1/decisions"]  # a redirect is not followed: it would carry the token


@pytest.mark.parametrize("host", ["gateway.invalid", "127.0.0.1.example", "192.0.2.1"])
def test_a_token_does_not_travel_in_the_clear(
    charter: Charter, asked: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", "charter_abcdef01_" + "x" * 43)
    ran = charter("decide", asked, "--url", f"http://{host}:1")
    assert ran.code == 1
    assert "in the clear: use https" in ran.line


def test_a_proxy_of_the_environment_sees_neither_token_nor_question(
    remote: Charter, gateway: Served, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", gateway.own)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert remote("decide", asked, "--url", gateway.gateway.url).code == 0
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_an_answer_that_nobody_verified_is_said_to_be_so(
    remote: Charter, gateway: Served, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", gateway.own)
    assert "not verified" in remote("decide", asked, "--url", gateway.gateway.url).line


def test_the_answer_of_another_gateway_is_not_believed(
    remote: Charter, gateway: Served, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", gateway.own)
    other = open_state(tmp_path / "other").folder / "trust.json"
    ran = remote("decide", asked, "--url", gateway.gateway.url, "--trust", other)
    assert (ran.code, ran.out) == (1, "")


def test_a_token_that_others_can_read_is_not_used(
    remote: Charter, gateway: Served, asked: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.chmod(0o644)
    ran = remote("decide", asked, "--url", gateway.gateway.url, "--token-file", token)
    assert ran.code == 1
    assert "chmod 600" in ran.line


def test_a_saved_answer_replaces_a_link_and_not_what_it_points_to(
    remote: Charter, gateway: Served, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_TOKEN", gateway.own)
    precious, link = tmp_path / "precious", tmp_path / "answer.json"
    precious.write_text("keep me")
    link.symlink_to(precious)
    trust = gateway.gateway.trust
    url = gateway.gateway.url
    assert remote("decide", asked, "--url", url, "--trust", trust, "--save", link).code == 0
    assert precious.read_text() == "keep me"
    assert not link.is_symlink()
