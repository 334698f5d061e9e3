"""More than it can take (R9), one tenant beside another (R10), and its end (R12): SIGTERM
answers what was accepted and loses nothing."""

import os
import random
import re
import signal
import statistics
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.faults.history import Clients, Event, History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, gateway, start
from tests.faults.tools import seeds

CROWD = 96  # callers of one tenant, which may have 64 questions open, or 32 where told so
REFUSED = {429, 503}
ROUNDS = 6


def refusals(history: History) -> list[Event]:
    return [event for event in list(history.events) if event.status in REFUSED]


def test_beyond_its_limits_it_refuses_at_once_and_what_it_accepts_it_answers(
    project: Project,
) -> None:
    with gateway(project, "--memo", "0", "--in-flight-of-tenant", "32") as running:
        with Clients(running, 1, count=CROWD) as load:
            load.wait_for(100, within_s=20)
            until = time.monotonic() + 30  # a quick machine is seldom beyond them
            while len(refusals(load.history)) <= 20 and time.monotonic() < until:
                time.sleep(0.02)
        history = load.end()
        assert running.ready()[0] == 200
        refused = refusals(history)
        assert len(refused) > 20, f"no overload: {history.statuses()}"
        for event in refused:
            assert event.retry_after_ms is not None, event
            assert 0 < event.retry_after_ms <= 5000
        assert set(history.statuses()) <= {200, *REFUSED}, history.statuses()
        late = sorted(event.ended - event.sent for event in refused)
        assert late[len(late) // 2] < 1.5
    # Accepted is what was not refused; all of it was answered, in the time that is stated.
    check_answers(history.events, within_s=5)
    check_log(project, history.some(100))


def crowd_until_told(running: Running, callers: int, line: Connection) -> None:
    """In a process of its own, so that what the callers need is not taken from who measures."""
    os.nice(10)
    with Clients(running, 2, count=callers) as load:
        load.wait_for(60, within_s=60)
        line.send(None)
        line.recv()
    history = load.end()
    line.send((history.statuses(), history.some(60)))


@contextmanager
def crowd(running: Running, callers: int) -> Generator[list[tuple[dict[int, int], History]]]:
    """As many callers of one tenant for the length of the block, and then what they got."""
    ours, theirs = Pipe()
    process = get_context("fork").Process(
        target=crowd_until_told, args=(running, callers, theirs), daemon=True
    )
    process.start()
    told: list[tuple[dict[int, int], History]] = []
    try:
        assert ours.poll(60), "no crowd"
        ours.recv()
        yield told
        ours.send(None)
        assert ours.poll(60), "the crowd does not end"
        told.append(ours.recv())
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()


class Beside:
    """Questions of the other tenant, one after another, and what others were answered
    meanwhile."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._chance = random.Random(3)  # noqa: S311
        self.events: list[Event] = []
        self.passed: list[int] = []

    def ask(self) -> None:
        before = self._running.size
        event = put(self._running, draw(self._chance), who="other_tenant")
        self.events.append(event)
        if event.answer is not None:
            found = re.search(r"^index (\d+)$", str(event.answer["proof"]), re.MULTILINE)
            assert found is not None
            self.passed.append(int(found[1]) - before)

    @property
    def median_passed(self) -> float:
        return statistics.median(self.passed)

    @property
    def median_s(self) -> float:
        return statistics.median(event.ended - event.sent for event in self.events)


def beside(running: Running, other: Running) -> tuple[Beside, Beside]:
    """Thirty questions of the other tenant, and as many to a gateway that it has for itself."""
    inside, outside = Beside(running), Beside(other)
    for _ in range(30):
        outside.ask()
        inside.ask()
    return inside, outside


def is_fair(inside: Beside, outside: Beside) -> bool:
    """Of the crowd, those came before it that had begun: in turns by number it would be all 16
    of them. And it took about twice as long as elsewhere where it was measured; before there
    were turns, up to nine times."""
    return inside.median_passed <= 8 and inside.median_s < 5 * outside.median_s


@pytest.mark.parametrize("callers", [32, CROWD], ids=["none is refused", "beyond its places"])
def test_a_crowd_of_one_tenant_costs_another_no_answers_and_little_time(
    project: Project, tmp_path: Path, callers: int
) -> None:
    elsewhere = Project.make(tmp_path / "elsewhere")
    with (
        gateway(project, "--memo", "0") as running,
        gateway(elsewhere, "--memo", "0") as other,
    ):
        # The same crowd makes the machine as busy for both; one of them has it inside.
        inside, outside = Beside(running), Beside(other)
        for _ in range(3):
            outside.ask()
            inside.ask()
        with crowd(running, callers) as told:
            # What else runs on the machine only adds: one round without much of it tells.
            rounds = [beside(running, other)]
            while len(rounds) < ROUNDS and not is_fair(*rounds[-1]):
                rounds.append(beside(running, other))
        ((statuses, of_crowd),) = told
    is_beyond = callers > 64
    assert (sum(statuses.get(one, 0) for one in REFUSED) > 0) is is_beyond, statuses
    history = History([event for inside, _ in rounds for event in inside.events])
    # None on a machine of its own; a busy one may be too slow for one.
    assert history.statuses().get(200, 0) >= 30 * len(rounds) - 1, history.statuses()
    check_answers(history.events, within_s=5)
    for inside, outside in rounds:
        print(f"{callers} callers: {inside.median_s * 1000:.1f} ms, elsewhere ", end="")
        print(f"{outside.median_s * 1000:.1f} ms; {inside.median_passed:g} came before it")
    assert is_fair(*rounds[-1]), [inside.passed for inside, _ in rounds]
    history += of_crowd
    check_log(project, history)


@pytest.mark.parametrize("seed", seeds())
def test_sigterm_at_any_moment_answers_what_is_in_flight_and_loses_nothing(
    project: Project, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    running = start(project, "--engines", "cedar")
    with Clients(running, seed, count=8) as load:
        load.wait_for(20)
        time.sleep(chance.uniform(0, 0.3))
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(15) == 0
        took = time.monotonic() - began
    history = load.end()
    running.stop()
    assert took < 11, "longer than the grace"
    assert set(history.statuses()) <= {200, 503, 0}
    check_answers(history.events)
    # In order: what was answered is all there is, and the first entry of the log.
    more = check_log(project, history) - len(history.answered) - 1
    assert 0 <= more <= history.late
