"""`charter serve` where nothing is said about workers: one that decides, one that has the log,
and one that starts either again. To its callers it is one process."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gateway.state import open_state
from gateway.workers.frames import Kind, write_frame
from gateway.workers.socket_file import connected
from tests.gateway.cli.commands import Ran, finish, here, start
from tests.gateway.serving import Served, prepare
from tests.gateway.workers.test_processes import has_status, numbers, until
from tests.gateway.world import question, write_project
from tests.gateway_process import IN_ONE, Reply, below, free_port, run_gateway, start_gateway, stop

SAMPLE = 'charter_decisions_total{tenant="clinic-a",verdict="permit"}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("alone")
    tokens = prepare(folder)
    where = ("--policies", str(folder / "policies"), "--engines", "reference")
    with run_gateway(folder / "state", *where, "--format", "json", token=tokens["own"]) as gateway:
        yield Served(gateway, folder / "policies", **tokens)


def events(served: Served, name: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in list(served.gateway.stderr)]
    return [line for line in lines if line["event"] == name]


def killed(served: Served, name: str) -> int:
    """Kill one of the processes; which it was, as soon as another has its place."""
    before = served.gateway.pid_of(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: served.gateway.pid_of(name) != before, f"another {name}")
    return before


class Asking:
    """Asks for something all the time until it is told to stop; what came of it."""

    def __init__(self, served: Served, ask: Callable[[], int]) -> None:
        self.seen: list[int | str] = []
        self._ask, self._stop = ask, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(self._ask())
            except (OSError, http.client.HTTPException) as error:
                self.seen.append(type(error).__name__)
            time.sleep(0.01)

    def end(self) -> set[int | str]:
        self._stop.set()
        self._thread.join(15)
        return set(self.seen)


def test_the_greeting_comes_first_and_then_who_is_ready(served: Served) -> None:
    served.gateway.pid_of("worker 1")
    said = [json.loads(line) for line in list(served.gateway.stderr)][:3]
    assert [line["event"] for line in said] == ["listening"] + ["process ready"] * 2
    assert {line["process"] for line in said[1:]} == {"writer", "worker 1"}
    assert len(below(served.gateway.process.pid)) == 3


def test_numbers_of_the_process_have_no_label_and_those_counted_outlive_it(
    served: Served,
) -> None:
    for _ in range(3):
        assert served.ask(question()).status == 200
    time.sleep(1)  # what was counted in the last half second would go with it
    before = numbers(served)
    assert "process_resident_memory_bytes" in before
    assert not any("worker=" in name for name in before)
    writer = served.gateway.pid_of("writer")
    killed(served, "worker 1")
    assert served.ask(question()).status == 200
    after = numbers(served)
    assert after[SAMPLE] == before[SAMPLE] + 1
    assert after["charter_decisions_lost"] == 0
    assert after["process_start_time_seconds"] > before["process_start_time_seconds"]
    assert served.gateway.pid_of("writer") == writer


def test_while_the_worker_is_away_connections_are_refused_and_nothing_else_is_answered(
    served: Served,
) -> None:
    first, greeted = served.size, len(events(served, "listening"))
    asking = Asking(served, lambda: served.ask(question()).status)
    killed(served, "worker 1")
    until(lambda: asking.seen[-1] == 200, "an answer again")
    seen = asking.end()
    assert seen <= {200, "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected"}
    assert "ConnectionRefusedError" in seen
    # One that was cut off may be in the log, and no other.
    assert 0 <= served.size - first - asking.seen.count(200) <= 1
    assert len(events(served, "listening")) == greeted == 1


def test_while_the_log_is_away_questions_are_told_when_to_come_again(served: Served) -> None:
    worker, replies = served.gateway.pid_of("worker 1"), list[Reply]()

    def ask() -> int:
        replies.append(served.ask(question()))
        return replies[-1].status

    asking = Asking(served, ask)
    os.kill(served.gateway.pid_of("writer"), signal.SIGSTOP)  # so that it is away for a while
    killed(served, "writer")
    until(lambda: asking.seen[-1] == 200, "an answer again")
    assert asking.end() == {200, 503}
    refused = next(reply for reply in replies if reply.status == 503)
    assert refused.json["type"].endswith("/ledger-unavailable")
    assert float(refused.headers["retry-after"]) > 0
    assert served.gateway.pid_of("worker 1") == worker
    until(lambda: has_status(served.gateway, "/readyz", 200), "ready")


def test_other_rules_are_loaded_by_a_worker_that_was_started_again(served: Served) -> None:
    before = served.ask(question()).json["bundle"]
    law = served.policies / "law.charter"
    text = law.read_text()
    law.write_text(text.replace('title "', 'title "New: ', 1) + "\n")
    served.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: served.ask(question()).json["bundle"] != before, "other rules")
    law.write_text("charter x\nrule")
    asking = Asking(served, lambda: served.ask(question()).status)
    os.kill(served.gateway.pid_of("worker 1"), signal.SIGKILL)
    # It says what is wrong, and comes back once that is mended.
    until(lambda: any("law.charter:" in line for line in served.gateway.stderr), "what is wrong")
    assert 200 not in asking.seen[-10:]
    law.write_text(text)
    until(lambda: asking.seen[-1] == 200, "an answer again")
    assert asking.end() <= {200, "ConnectionRefusedError", "ConnectionResetError",
                            "RemoteDisconnected"}  # fmt: skip
    assert served.ask(question()).json["bundle"] == before


def test_who_starts_on_the_folder_of_a_gateway_that_is_about_to_end_waits_for_it(
    tmp_path: Path,
) -> None:
    tokens = prepare(tmp_path)
    arguments = ("--policies", str(tmp_path / "policies"), "--engines", "reference")
    begin = partial(start_gateway, tmp_path / "state", *arguments, token=tokens["own"])
    first = begin()
    worker, kept = first.pid_of("worker 1"), first.decide(question())
    os.kill(worker, signal.SIGSTOP)  # so that it takes its time to end, and the log waits for it
    first.process.kill()
    with ThreadPoolExecutor(1) as beside:
        following = beside.submit(begin)
        time.sleep(4)  # until it has loaded, and finds the log held
        assert not following.done()
        os.kill(worker, signal.SIGCONT)
        second = following.result()
    stop(first)
    try:
        found = second.request("GET", f"/v1/decisions/{kept['id']}")
        assert found.json["record"] == kept["record"]
        assert second.decide(question())["decision"] == "permit"
    finally:
        stop(second)


@pytest.mark.parametrize("how", [(), IN_ONE])
def test_of_two_that_start_together_at_one_address_one_serves(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    policies, port = write_project(tmp_path / "policies"), str(free_port())
    where = ("--policies", policies, "--port", port, "--engines", "reference")
    both = [start("serve", *where, *how, "--state", tmp_path / name) for name in ("a", "b")]
    until(lambda: any(one.poll() is not None for one in both), "one of them ends")
    first, second = sorted(both, key=lambda one: one.poll() is None)
    ended = finish(first)
    assert second.poll() is None
    second.terminate()
    assert finish(second).code == 0
    assert ended.code == 1
    assert "another gateway is about to" in ended.err


def test_who_stays_connected_to_the_log_and_is_no_worker_keeps_no_gateway_from_its_end(
    tmp_path: Path,
) -> None:
    token = prepare(tmp_path)["own"]
    where = ("--policies", str(tmp_path / "policies"), "--engines", "reference")
    gateway = start_gateway(tmp_path / "state", *where, "--format", "json", token=token)
    try:
        with connected(tmp_path / "state") as other:
            other.send(write_frame(Kind.ASK, 1, ("latest_checkpoint",))[:7])  # and no more of it
            gateway.decide(question())
            gateway.process.terminate()
            assert gateway.process.wait(30) == 0
        assert not [line for line in gateway.stderr if "is killed" in line]
    finally:
        stop(gateway)


# --- what does not start -------------------------------------------------------------


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ran, Ran]]:
    """What several processes say that cannot start, and what one says."""
    folder = tmp_path_factory.mktemp("refused")
    good, broken = write_project(folder / "policies"), write_project(folder / "broken")
    (broken / "law.charter").write_text("charter x\nrule")
    for name in ("half", "key", "trust"):
        open_state(folder / name)
    (folder / "half" / "origin").unlink()
    (folder / "key" / "checkpoint.key").chmod(0o640)
    (folder / "trust" / "trust.json").write_text("{}")
    cases: dict[str, tuple[str | Path, ...]] = {
        "broken charters": ("--policies", broken, "--state", folder / "new"),
        "half-made state": ("--policies", good, "--state", folder / "half"),
        "key open to others": ("--policies", good, "--state", folder / "key"),
        "no trust": ("--policies", good, "--state", folder / "trust"),
    }
    begin = ("serve", "--port", "0", "--engines", "reference")
    several = {name: start(*begin, *arguments) for name, arguments in cases.items()}
    ended = {name: finish(process) for name, process in several.items()}
    assert not (folder / "new").exists()
    return {name: (ended[name], here(*begin, *IN_ONE, *cases[name])) for name in cases}


@pytest.mark.parametrize(
    "case", ["broken charters", "half-made state", "key open to others", "no trust"]
)
def test_what_cannot_start_is_said_once_and_as_by_one_process(
    refused: dict[str, tuple[Ran, Ran]], case: str
) -> None:
    several, one = refused[case]
    several.check_clean()
    assert several.code == one.code != 0
    assert several.err == one.err
    assert several.out == one.out == ""
