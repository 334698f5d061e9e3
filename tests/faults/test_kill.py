"""Killed: at any moment under load (F1), and at each sync in turn (F2). R1 to R4, R12."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.history import Clients, History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, eventually, gateway, start
from tests.faults.tools import SEEDS, Strace, need, need_root, need_to_run, seeds
from tests.gateway_process import IN_ONE, below, is_there

ONE_ENGINE = ("--engines", "cedar")


KILLED = {
    "all in one process": (IN_ONE, False),
    "the first process alone": ((), False),
    "all processes at once": ((), True),
}


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("who", KILLED)
def test_killed_at_any_moment_and_started_again_it_has_lost_no_answer(
    project: Project, who: str, seed: int
) -> None:
    arguments, all_of_them = KILLED[who]
    chance = random.Random(seed)  # noqa: S311
    history, size = History(), 0
    for number in range(1 if SEEDS == 1 else 3):
        running = start(project, *ONE_ENGINE, *arguments)
        load = Clients(running, chance.randrange(10**9))
        load.wait_for(20)
        time.sleep(chance.uniform(0, 0.4))
        load.history.checkpoints.append(running.checkpoint())
        running.kill(*(running.processes() if all_of_them else ()))
        seen = load.end()
        assert any(event.status == 0 for event in seen.events), "killed when nobody asked"
        history += seen
        before, size = size, check_log(project, history)
        assert size >= before + len(seen.answered), f"round {number}"
    check_answers(history.events)
    with gateway(project, *ONE_ENGINE) as running:
        event = put(running, draw(chance))
        assert event.decision == event.asked.right
        # Nothing was lost and nothing is repeated: the next entry is the next in order.
        assert running.size == size + 1


# Each thread counts its own: opening takes about ten, then one for each group.
SYNCS = [13 + 2 * number for number in range(SEEDS)]


@pytest.mark.parametrize("when", SYNCS)
def test_killed_in_the_middle_of_a_sync_it_has_lost_no_answer(project: Project, when: int) -> None:
    calls = "fdatasync,fsync"
    strace = Strace(project.folder / "trace", calls, f"{calls}:signal=KILL:when={when}")
    running = start(project, *ONE_ENGINE, *IN_ONE, before=strace.command())
    load = Clients(running, when, count=2)
    try:
        assert running.process.wait(20) == -9, "not killed: the fault did not happen"
    finally:
        running.stop()
        history = load.end()
    assert any(event.status == 0 for event in history.events)
    size = check_log(project, history)
    assert size >= len(history.answered) + 1
    check_answers(history.events)


def test_the_process_that_has_the_log_is_killed_in_a_sync_again_and_again_and_loses_nothing(
    project: Project,
) -> None:
    calls = "fdatasync,fsync"
    # Each process counts its own: the next gets as far again.
    strace = Strace(project.folder / "trace", calls, f"{calls}:signal=KILL:when=20")
    running = start(project, *ONE_ENGINE, before=strace.command())
    killed: set[int] = set()
    with Clients(running, 1, count=2, patient=True) as load:
        for _ in range(3):
            killed.add(running.pid_of("writer"))
            eventually(lambda: running.pid_of("writer") not in killed, 30, "another writer")
            load.wait_for(len(load.history.answered) + 3, within_s=30)
            load.history.checkpoints.append(running.checkpoint())
        assert running.stop() == 0
    history = load.end()
    assert set(history.statuses()) <= {200, 0, 503}
    assert 503 in history.statuses(), "killed when nobody asked"
    check_answers(history.events)
    assert check_log(project, history) >= len(history.answered) + 1


def test_killed_alone_the_first_process_is_followed_by_another_gateway_at_once(
    project: Project,
) -> None:
    """Its workers and its writer are still there then, with the port and the lock."""
    history = History()
    running = start(project, *ONE_ENGINE)
    port = ("--port", str(running.port))
    with Clients(running, 1) as load:
        load.wait_for(10)
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
        again = start(project, *ONE_ENGINE, *port)
    history += load.end()
    running.stop()
    history += History([put(again, draw(random.Random(1)))])  # noqa: S311
    assert again.stop() == 0
    assert history.events[-1].decision == history.events[-1].asked.right
    check_answers(history.events)
    assert check_log(project, history) >= len(history.answered) + 1


def children(running: Running) -> list[int]:
    pid = running.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in listed.split()]


def test_as_the_first_process_of_a_container_it_takes_away_what_the_killed_leave(
    project: Project,
) -> None:
    """An engine whose worker is killed becomes a child of the first process when it ends."""
    need_root()
    alone = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    need_to_run(need("unshare"), *alone[1:], "true")
    with gateway(project, "--engines", "rego", before=alone) as running:
        (first,) = running.inner()
        for _ in range(2):
            (engine,) = [one for one in below(first) if b"engine_worker" in command_of(one)]
            os.kill(parent_of(engine), signal.SIGKILL)
            eventually(lambda engine=engine: engine not in below(first), 10, "taken away")
            eventually(lambda: running.ready()[0] == 200, 30, "ready again")
        assert all(map(is_there, below(first)))
        assert put(running, draw(random.Random(1))).status == 200  # noqa: S311
        # Who is first in a container is sent signals that have no usual effect on it.
        assert running.stop() == 0


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_of_several_processes_any_may_be_killed_under_load_and_no_answer_is_lost(
    project: Project, workers: int
) -> None:
    running = start(project, *ONE_ENGINE, "--workers", str(workers))
    at_first, there = children(running), workers + 1
    assert len(at_first) == there  # those that answer, and the one that writes
    with Clients(running, 1, count=3, patient=True) as load:
        for victim in at_first:
            load.wait_for(len(load.history.answered) + 10, within_s=30)
            load.history.checkpoints.append(running.checkpoint())
            os.kill(victim, signal.SIGKILL)
            eventually(lambda gone=victim: gone not in children(running), 10, "it is gone")
            eventually(lambda: len(children(running)) == there, 30, "another in its place")
        load.wait_for(len(load.history.answered) + 10, within_s=30)
        running.kill()
        eventually(lambda: not any(Path(f"/proc/{one}").exists() for one in at_first), 10, "alone")
    history = load.end()
    assert set(history.statuses()) <= {200, 0, 503}
    check_answers(history.events)
    assert check_log(project, history) >= len(history.answered) + 1
