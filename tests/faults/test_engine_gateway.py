"""A whole gateway whose engines are killed, stopped, or lie (F22, F26, F28). R5: no permit and
an answer in time; R6: it serves again by itself, or says which command a person must run."""

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dsl.core_json import program_digest
from dsl.to_rego import opa_bundle
from tests.faults.running import Project, Running, eventually, gateway, start
from tests.faults.test_network import start_alone
from tests.gateway.world import made, question
from tests.gateway_process import CHARTER, below, is_there
from tests.opa import OpaServer, require_opa, run_opa

BOTH = ("--engines", "rego,opa")
# Answered permit, and deny.
GOOD, BAD = question(), question(resource__id="closed")


def own_opa() -> tuple[str, str]:
    return "--opa-start", str(require_opa())


def children(pid: int) -> dict[str, int]:
    """The processes of the engines of a gateway, by what they run."""
    found: dict[str, int] = {}
    for one in below(pid):
        command = Path(f"/proc/{one}/cmdline").read_bytes()
        if b"engine_worker" in command:
            found["rego"] = one
        elif b"--server" in command and b"confine.py" not in command:
            found["opa"] = one
    return found


def decision(running: Running, asked: object = GOOD) -> tuple[str, float]:
    began = time.monotonic()
    reply = running.ask(asked)
    assert reply.status == 200, reply.body
    return str(reply.json["decision"]), time.monotonic() - began


def up(running: Running) -> dict[str, float]:
    text = running.request("GET", "/metrics", token=running.project.tokens["own"]).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("charter_engine_up{")]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
def running(project: Project) -> Generator[Running]:
    with gateway(project, *BOTH, *own_opa()) as started:
        yield started


# --- dead and hung -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_with_all_engines_gone_it_says_so_in_time_and_is_back_by_itself(
    number: signal.Signals, running: Running
) -> None:
    assert decision(running)[0] == "permit"
    assert decision(running, BAD)[0] == "deny"
    assert running.ready()[0] == 200
    engines = children(running.process.pid)
    assert set(engines) == {"rego", "opa"}
    for pid in engines.values():
        os.kill(pid, number)
    new = [question(context__transfer__age=age) for age in range(12, 18)]
    said = [decision(running, one) for one in new]
    assert {outcome for outcome, _ in said[:3]} == {"indeterminate"}
    assert max(took for _, took in said) < 1.5
    eventually(lambda: running.ready()[0] == 200 and set(up(running).values()) == {1.0}, 30, "up")
    assert decision(running) == ("permit", pytest.approx(0, abs=1))
    assert decision(running, BAD)[0] == "deny"
    after = children(running.process.pid)
    assert set(after) == {"rego", "opa"}
    assert not set(after.values()) & set(engines.values())


def test_what_was_permitted_before_is_not_permitted_while_no_engine_is_there(
    running: Running,
) -> None:
    assert decision(running)[0] == "permit"
    for pid in children(running.process.pid).values():
        os.kill(pid, signal.SIGSTOP)
    new = [question(context__transfer__age=age) for age in range(20, 23)]
    assert {decision(running, one)[0] for one in new} == {"indeterminate"}
    assert decision(running)[0] == "indeterminate"
    status, detail = running.ready()
    assert status == 503
    assert "the engine " in detail
    assert 0.0 in up(running).values()
    for pid in children(running.process.pid).values():
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: decision(running)[0] == "permit", 30, "a permit again")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_engines_end_with_the_gateway_even_those_that_are_stopped(
    number: signal.Signals, project: Project
) -> None:
    started = start(project, *BOTH, *own_opa())
    try:
        assert decision(started)[0] == "permit"
        engines = children(started.process.pid)
        assert len(engines) == 2
        if number is signal.SIGKILL:
            os.kill(engines["rego"], signal.SIGSTOP)
        os.kill(started.process.pid, number)
        code = started.process.wait(20)
        until = time.monotonic() + 5
        while any(map(is_there, engines.values())) and time.monotonic() < until:
            time.sleep(0.02)
        assert not [name for name, pid in engines.items() if is_there(pid)]
        assert code == (0 if number is signal.SIGTERM else -9)
    finally:
        started.stop()


def test_a_child_without_memory_dies_and_the_gateway_lives(running: Running) -> None:
    pid = children(running.process.pid)["rego"]
    resource.prlimit(pid, resource.RLIMIT_DATA, (1 << 20, 1 << 20))
    names = [f"{number:0200}" for number in range(900)]
    deadline = time.monotonic() + 15
    asked = 0
    while is_there(pid) and time.monotonic() < deadline and asked < 40:
        large = question(context__data__datasets=[*names, str(asked)])
        large["action"] = {"name": "purge"}
        del large["resource"]
        large["resource"] = {"type": "site", "id": "near"}
        assert running.ask(large).status in (200, 422)
        asked += 1
    eventually(lambda: decision(running)[0] == "permit", 30, "a permit again")


def test_without_a_network_both_engines_are_started_and_asked(project: Project) -> None:
    running = start_alone(project, *BOTH, *own_opa())
    try:
        assert decision(running)[0] == "permit"
        assert decision(running, BAD)[0] == "deny"
        os.kill(children(running.process.pid)["opa"], signal.SIGKILL)
        eventually(lambda: decision(running)[0] == "permit", 30, "a permit again")
    finally:
        running.stop()


# --- lying ---------------------------------------------------------------------------


def honest(server: OpaServer) -> None:
    files = opa_bundle(made().program, program_digest(made().program))
    server.put_policy("charter", files["charter/charter.rego"].decode())


def lying(server: OpaServer) -> None:
    """Permits everything, in the right form and under the right digest."""
    granted = next(v.answer for v in made().vectors if v.answer.permits and not v.answer.duties)
    answer = {
        "program": program_digest(made().program),
        "denied": [],
        "granted": sorted(granted.granted),
        "noted": [],
        "duties": [],
        "preferred": [],
    }
    server.put_policy("charter", f"package charter\n\nanswer := {json.dumps(answer)}\n")


@pytest.fixture(scope="module")
def server() -> Generator[OpaServer]:
    with run_opa() as started:
        files = opa_bundle(made().program, program_digest(made().program))
        data: dict[str, Any] = json.loads(files.get("data.json", b"{}"))
        for name, document in data.items():
            started.put_data(name, document)
        yield started


def test_a_server_that_begins_to_lie_is_an_incident_named_and_shut_out(
    project: Project, server: OpaServer
) -> None:
    honest(server)
    url = f"http://127.0.0.1:{server.port}"
    with gateway(project, "--engines", "cedar,opa", "--opa-url", url) as running:
        assert decision(running, BAD)[0] == "deny"
        lying(server)
        said = decision(running, question(resource__id="closed", context__transfer__age=11))
        assert said[0] == "indeterminate"
        eventually(lambda: up(running) == {"cedar": 1.0, "opa": 0.0}, 15, "the liar is named")
        assert decision(running, BAD)[0] == "indeterminate"
        assert (
            "engine-disagreement"
            in running.request("GET", "/metrics", token=project.tokens["own"]).body.decode()
        )
        honest(server)
        eventually(lambda: decision(running, BAD)[0] == "deny", 30, "a denial again")


def test_told_to_stop_after_a_disagreement_it_waits_for_a_person(
    project: Project, server: OpaServer
) -> None:
    honest(server)
    url = f"http://127.0.0.1:{server.port}"
    options = ("--engines", "cedar,opa", "--opa-url", url, "--stop-after", "1")
    file = project.state / "engines-stopped.json"
    with gateway(project, *options) as running:
        assert decision(running)[0] == "permit"
        lying(server)
        decision(running, question(resource__id="closed", context__transfer__age=12))
        honest(server)
        eventually(file.exists, 5, "the word is written")
        time.sleep(1)
        assert decision(running)[0] == "indeterminate"
        assert running.ready()[0] == 503
        assert f"rm {file}" in running.stderr
    refused = refusal(project, *options)
    assert refused.endswith(f"run: rm {file}")
    file.unlink()
    with gateway(project, *options) as running:
        assert decision(running)[0] == "permit"
        file.write_text("{}")  # by another worker, or a person
        eventually(lambda: decision(running)[0] == "indeterminate", 15, "it stops as well")
        file.unlink()
        eventually(lambda: decision(running)[0] == "permit", 15, "it goes on")


# --- what is refused at start --------------------------------------------------------


def refusal(project: Project, *arguments: str) -> str:
    """The one line with which it does not start."""
    where = ("--policies", str(project.policies), "--state", str(project.state), "--port", "0")
    ran = subprocess.run(
        [*CHARTER, "serve", *where, *arguments], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout == ""
    lines = [line for line in ran.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, ran.stderr
    return lines[0]


def old_opa(folder: Path) -> str:
    path = folder / "old-opa"
    path.write_text("#!/bin/sh\necho 'Version: 0.68.0'\n")
    path.chmod(0o755)
    return str(path)


def test_what_cannot_be_started_is_refused_in_one_line(project: Project) -> None:
    table = {
        ("--engines", "opa", "--opa-start", "/no/such/opa"): "no program that can be run",
        ("--engines", "opa", "--opa-start", old_opa(project.folder)): "at least 1.0 is needed",
        ("--engines", "cedar,opa", "--opa-url", "http://127.0.0.1:1"): "opa: ",
    }
    for arguments, words in table.items():
        assert words in refusal(project, *arguments), arguments


def test_a_gateway_that_was_killed_leaves_no_folder_after_the_next_start(
    project: Project, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    own = {"TMPDIR": str(temporary)}
    running = start(project, "--engines", "opa", *own_opa(), environment=own)
    (left,) = temporary.glob("charter-opa-*")
    # Alone, the first would leave it to the others.
    running.kill(running.pid_of("writer"), running.pid_of("worker 1"))
    assert left.exists()
    with gateway(project, "--engines", "opa", *own_opa(), environment=own) as running:
        (there,) = temporary.glob("charter-opa-*")
        assert there != left
        assert decision(running)[0] == "permit"
    assert list(temporary.glob("charter-opa-*")) == []
