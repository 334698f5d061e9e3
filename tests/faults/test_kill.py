"""Killed: at any moment under load (F1), and at each sync in turn (F2). R1 to R4, R12."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.history import Clients, History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, eventually, gateway, start
from tests.faults.tools import SEEDS, Strace, seeds

ONE_ENGINE = ("--engines", "cedar")


@pytest.mark.parametrize("seed", seeds())
def test_killed_at_any_moment_and_started_again_it_has_lost_no_answer(
    project: Project, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    history, size = History(), 0
    for number in range(3):
        running = start(project, *ONE_ENGINE)
        load = Clients(running, chance.randrange(10**9))
        load.wait_for(20)
        time.sleep(chance.uniform(0, 0.4))
        load.history.checkpoints.append(running.checkpoint())
        running.kill()
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
    running = start(project, *ONE_ENGINE, before=strace.command())
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


def children(running: Running) -> list[int]:
    pid = running.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in listed.split()]


def test_of_several_processes_any_may_be_killed_under_load_and_no_answer_is_lost(
    project: Project,
) -> None:
    running = start(project, *ONE_ENGINE, "--workers", "2")
    at_first = children(running)
    assert len(at_first) == 3  # two that answer, and the one that writes
    with Clients(running, 1, count=3, patient=True) as load:
        for victim in at_first:
            load.wait_for(len(load.history.answered) + 10, within_s=30)
            load.history.checkpoints.append(running.checkpoint())
            os.kill(victim, signal.SIGKILL)
            eventually(lambda gone=victim: gone not in children(running), 10, "it is gone")
            eventually(lambda: len(children(running)) == 3, 30, "another in its place")
        load.wait_for(len(load.history.answered) + 10, within_s=30)
        running.kill()
        eventually(lambda: not any(Path(f"/proc/{one}").exists() for one in at_first), 10, "alone")
    history = load.end()
    assert set(history.statuses()) <= {200, 0, 503}
    check_answers(history.events)
    assert check_log(project, history) >= len(history.answered) + 1
