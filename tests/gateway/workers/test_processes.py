"""`charter serve --workers 2` as processes: one log in one order, whoever of them is killed."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.workers.socket_file import FOLDER, NAME
from tests.gateway.cli.commands import finish, here, start
from tests.gateway.serving import Served, prepare
from tests.gateway.world import question, write_project
from tests.gateway_process import GatewayProcess, is_there, named, start_gateway, stop

WORKERS = ("worker 1", "worker 2")
# A fault is over in less than this, without a person.
RECOVERY_S = 30.0


def pids(gateway: GatewayProcess) -> dict[str, int]:
    """The processes as they were ready last, by name."""
    return named(gateway.stderr)


def until(holds: Callable[[], bool], words: str, within_s: float = RECOVERY_S) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"{words}: never within {within_s:g} s")


def has_status(gateway: GatewayProcess, path: str, status: int) -> bool:
    try:
        return gateway.request("GET", path).status == status
    except (OSError, http.client.HTTPException):
        return False


def all_up(gateway: GatewayProcess, before: dict[str, int] | None = None) -> bool:
    now = pids(gateway)
    changed = {name for name in now if before and now[name] != before.get(name)}
    up = set(now) == {"writer", *WORKERS} and all(is_there(pid) for pid in now.values())
    return up and (before is None or bool(changed))


def begin(folder: Path, token: str | None = None) -> GatewayProcess:
    gateway = start_gateway(
        folder / "state", "--policies", str(folder / "policies"), "--workers", "2",
        "--format", "json", token=token,
    )  # fmt: skip
    until(lambda: all_up(gateway), "all processes are ready")
    return gateway


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("workers")
    tokens = prepare(folder)
    gateway = begin(folder, tokens["own"])
    yield Served(gateway, folder / "policies", **tokens)
    stop(gateway)


class Load:
    """Callers on connections of their own, each of a few questions, until they are stopped."""

    def __init__(self, served: Served, callers: int = 6) -> None:
        self.answers: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self.cut = 0
        self._served = served
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        headers = {
            "Authorization": f"Bearer {self._served.own}",
            "Content-Type": "application/json",
        }
        while not self._stop.is_set():
            connection = http.client.HTTPConnection(
                "127.0.0.1", self._served.gateway.port, timeout=10
            )
            try:
                for _ in range(10):
                    connection.request("POST", "/v1/decisions", json.dumps(question()), headers)
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                    self.statuses[response.status] += 1
                    if response.status == 200:
                        self.answers.append(answer)
            except (OSError, http.client.HTTPException, ValueError):
                self.cut += 1
                time.sleep(0.01)
            finally:
                connection.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()


def check_log(served: Served, answers: list[dict[str, Any]], first: int, last: int) -> None:
    """Every answer has a place of its own in one log, is found there, and verifies."""
    places = [served.verify(answer).index for answer in answers]
    assert len(set(places)) == len(places)
    assert all(first <= place < last for place in places)
    for answer in answers[:: max(1, len(answers) // 10)]:
        found = served.gateway.request("GET", f"/v1/decisions/{answer['id']}").json
        assert found["record"] == answer["record"]
        assert served.verify(found).index == served.verify(answer).index


def cpu(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


# --- together ------------------------------------------------------------------------


def test_two_workers_answer_from_one_log_without_a_gap(served: Served) -> None:
    before, first = pids(served.gateway), served.size
    spent = {name: cpu(before[name]) for name in WORKERS}
    load = Load(served)
    time.sleep(2)
    load.end()
    last = served.size
    assert set(load.statuses) == {200}
    assert last - first == len(load.answers) > 50
    check_log(served, load.answers, first, last)
    assert pids(served.gateway) == before
    for name in WORKERS:  # both have worked
        assert cpu(before[name]) > spent[name]


def test_what_one_worker_decided_every_connection_finds(served: Served) -> None:
    answer = served.ask(question()).json
    for _ in range(8):  # each a connection of its own
        reply = served.gateway.request("GET", f"/v1/decisions/{answer['id']}")
        assert (reply.status, reply.json["record"]) == (200, answer["record"])
        assert served.gateway.request("GET", "/checkpoint").status == 200
        proof = served.gateway.request("GET", f"/v1/decisions/{answer['id']}/proof")
        assert proof.status == 200
        other = served.gateway.request(
            "GET", f"/v1/decisions/{answer['id']}", token=served.other_tenant
        )
        assert other.status == 404


def test_a_key_of_idempotency_counts_at_every_worker(served: Served) -> None:
    first = served.size
    asked = [served.ask(question(), Idempotency_Key='"once-0123456789"') for _ in range(8)]
    assert {reply.status for reply in asked} == {200}
    assert len({reply.json["id"] for reply in asked}) == 1
    assert served.size == first + 1


def numbers(served: Served) -> dict[str, float]:
    text = served.gateway.request("GET", "/metrics").body.decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_the_numbers_of_either_worker_are_those_of_both(served: Served) -> None:
    name = 'charter_decisions_total{tenant="clinic-a",verdict="permit"}'
    time.sleep(1.2)  # what was decided before may still be told
    before = numbers(served)
    load = Load(served)
    time.sleep(1)
    load.end()
    time.sleep(1.2)  # until each has told the other
    for _ in range(6):
        now = numbers(served)
        assert now[name] - before.get(name, 0.0) == len(load.answers)
        assert now["charter_decisions_lost"] == 0
        assert now["charter_ledger_entries"] == served.size
        of_groups = "charter_ledger_commit_group_size_sum"
        assert now[of_groups] - before[of_groups] == len(load.answers)


def test_only_the_writer_has_the_files_of_the_log_open(served: Served) -> None:
    for name, pid in pids(served.gateway).items():
        listed = Path(f"/proc/{pid}/fd")
        try:
            files = {os.readlink(one) for one in listed.iterdir()}
        except PermissionError:
            pytest.skip("the files of other processes cannot be listed here")
        ledger = [file for file in files if "ledger.sqlite3" in file]
        assert bool(ledger) == (name == "writer"), name


# --- somebody is killed --------------------------------------------------------------


def test_a_worker_killed_under_load_takes_no_answer_with_it(served: Served) -> None:
    before, first = pids(served.gateway), served.size
    load = Load(served)
    time.sleep(0.5)
    os.kill(before["worker 2"], signal.SIGKILL)
    until(lambda: all_up(served.gateway, before), "the worker is there again")
    time.sleep(0.3)
    load.end()
    assert set(load.statuses) <= {200, 503}
    check_log(served, load.answers, first, served.size)
    now = pids(served.gateway)
    assert now["worker 2"] != before["worker 2"]
    assert (now["worker 1"], now["writer"]) == (before["worker 1"], before["writer"])


def test_without_a_writer_nobody_gets_a_permit_and_it_comes_back_alone(served: Served) -> None:
    before, first = pids(served.gateway), served.size
    load = Load(served)
    time.sleep(0.3)
    os.kill(before["writer"], signal.SIGSTOP)  # held, so that it is gone for a while
    time.sleep(0.3)
    os.kill(before["writer"], signal.SIGKILL)
    until(lambda: all_up(served.gateway, before), "the writer is there again")
    until(lambda: has_status(served.gateway, "/readyz", 200), "ready")
    time.sleep(0.3)
    load.end()
    assert set(load.statuses) <= {200, 503}
    assert load.statuses[503] > 0
    check_log(served, load.answers, first, served.size)
    now = pids(served.gateway)
    assert now["writer"] != before["writer"]
    assert [now[name] for name in WORKERS] == [before[name] for name in WORKERS]


def is_settled(served: Served) -> bool:
    before = served.size
    time.sleep(0.5)
    return served.size == before


def test_while_the_writer_hangs_nothing_is_answered_and_ready_says_so(served: Served) -> None:
    writer = pids(served.gateway)["writer"]
    os.kill(writer, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        reply = served.ask(question())
        assert reply.status == 503
        assert time.monotonic() - begun < 8
        until(lambda: has_status(served.gateway, "/readyz", 503), "not ready")
        assert has_status(served.gateway, "/livez", 200)
    finally:
        os.kill(writer, signal.SIGCONT)
    until(lambda: served.ask(question()).status == 200, "it answers again")
    assert pids(served.gateway)["writer"] == writer
    # What was answered 503 may be logged all the same, once the writer goes on.
    until(lambda: is_settled(served), "nothing more is logged")


def test_bytes_that_no_worker_sends_disturb_nobody(served: Served) -> None:
    first = served.size
    for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, bytes(4096), b""):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(served.gateway.state / FOLDER / NAME))
            stranger.sendall(sent)
    assert served.ask(question()).status == 200
    assert served.size == first + 1


# --- another on the same folder ------------------------------------------------------


def test_a_second_gateway_on_the_folder_is_refused_and_the_first_goes_on(
    served: Served,
) -> None:
    where = ("--policies", served.policies, "--state", served.gateway.state)
    ran = finish(start("serve", "--port", "0", "--workers", "2", *where))
    assert ran.code == 1
    assert "a gateway runs on this state folder" in ran.err
    assert "Traceback" not in ran.err
    assert served.ask(question()).status == 200


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_the_port_of_workers_is_nobody_elses(served: Served, tmp_path: Path, workers: str) -> None:
    taken = ("--port", str(served.gateway.port), "--workers", workers)
    where = ("--policies", served.policies, "--state", tmp_path / "state")
    ran = here("serve", *taken, *where)
    assert (ran.code, "give another --port" in ran.err) == (1, True)
    assert not (tmp_path / "state").exists()


def test_of_the_connections_of_a_client_each_worker_holds_its_part(served: Served) -> None:
    held = [socket.create_connection(("127.0.0.1", served.gateway.port)) for _ in range(130)]
    time.sleep(0.3)
    refused = 0
    for connection in held:
        connection.settimeout(0.001)
        with suppress(TimeoutError, ConnectionError):
            refused += b" 429 " in connection.recv(1024)
    for connection in held:
        connection.close()
    assert 30 <= refused < 130
    until(lambda: has_status(served.gateway, "/livez", 200), "it answers again")


# --- other rules ---------------------------------------------------------------------


def reloads(served: Served) -> list[bool]:
    """Of each time that a worker loaded again, whether it took what it found."""
    events = [line for line in list(served.gateway.stderr) if '"reload' in line]
    return ['"event": "reloaded"' in line for line in events]


def test_other_rules_come_into_force_in_every_worker_or_in_none(served: Served) -> None:
    before = served.ask(question()).json["bundle"]
    law = served.policies / "law.charter"
    text = law.read_text()
    law.write_text(text.replace('title "', 'title "New: ', 1) + "\n")
    served.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: reloads(served) == [True, True], "both have loaded again")
    now = {served.ask(question()).json["bundle"] for _ in range(8)}
    assert len(now) == 1
    assert before not in now
    law.write_text(text)
    # The way back, asked of one worker over HTTP.
    reply = served.gateway.request("POST", "/v1/reload")
    assert (reply.status, reply.json["bundle"]) == (200, before)
    until(lambda: reloads(served) == [True] * 4, "both have loaded again")
    assert {served.ask(question()).json["bundle"] for _ in range(8)} == {before}
    law.write_text("charter x\nrule")
    served.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: len(reloads(served)) == 5, "one has tried")
    time.sleep(0.5)
    assert reloads(served) == [True, True, True, True, False]
    assert {served.ask(question()).json["bundle"] for _ in range(8)} == {before}
    law.write_text(text)


# --- beginning and end ---------------------------------------------------------------


def test_charters_with_mistakes_are_told_once_and_no_folder_is_made(tmp_path: Path) -> None:
    policies = write_project(tmp_path / "policies")
    (policies / "law.charter").write_text("charter x\nrule")
    where = ("--policies", policies, "--state", tmp_path / "state")
    ran = finish(start("serve", "--port", "0", "--workers", "2", *where))
    assert ran.code == 3
    assert ran.err.count("law.charter:") == 1
    assert not (tmp_path / "state").exists()


def test_stopped_in_order_and_after_a_sudden_end_it_goes_on_where_it_was(tmp_path: Path) -> None:
    tokens = prepare(tmp_path)
    gateway = begin(tmp_path, tokens["own"])
    served = Served(gateway, tmp_path / "policies", **tokens)
    processes = [*pids(gateway).values()]
    load = Load(served)
    time.sleep(0.5)
    # Of the whole group, as by Ctrl-C or by systemd: the writer must outlive the workers.
    for pid in (*processes, gateway.process.pid):
        os.kill(pid, signal.SIGTERM)
    assert gateway.process.wait(20) == 0
    load.end()
    stop(gateway)
    assert set(load.statuses) <= {200, 503}
    assert not any(is_there(pid) for pid in processes)
    assert not (tmp_path / "state" / FOLDER / NAME).exists()
    kept = load.answers
    assert len(kept) > 10

    gateway = begin(tmp_path, tokens["own"])
    served = Served(gateway, tmp_path / "policies", **tokens)
    try:
        assert served.size >= len(kept) + 1
        check_log(served, kept, 0, served.size)
        processes = [*pids(gateway).values()]
        gateway.process.kill()  # the supervisor alone
        until(lambda: not any(is_there(pid) for pid in processes), "nobody is left behind")
    finally:
        stop(gateway)


def test_a_first_worker_that_cannot_begin_ends_the_gateway_with_one_line(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "state" / "trust.json").write_text("{}")
    where = ("--policies", tmp_path / "policies", "--state", tmp_path / "state")
    ran = finish(start("serve", "--port", "0", "--workers", "2", *where))
    assert ran.code == 1
    assert ran.err.count("trust.json") == 1


@pytest.mark.parametrize("number", ["-1", "65", "1.5", "two", ""])
def test_a_number_of_workers_that_is_none_is_refused(number: str) -> None:
    ran = here("serve", f"--workers={number}")
    assert ran.code == 1
    assert f"`{number}` is no number of processes from 0 to 64" in ran.err
