"""More than it can take (R9), one tenant beside another (R10), and its end (R12): SIGTERM
answers what was accepted and loses nothing."""

import random
import signal
import statistics
import time

import pytest

from tests.faults.history import Clients, Event, History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, gateway, start
from tests.faults.tools import seeds

CROWD = 96  # callers of one tenant; 64 questions of it may be open
REFUSED = {429, 503}


def test_beyond_its_limits_it_refuses_at_once_and_what_it_accepts_it_answers(
    project: Project,
) -> None:
    with gateway(project, "--memo", "0") as running:
        with Clients(running, 1, count=CROWD) as load:
            load.wait_for(100, within_s=20)
        history = load.end()
        assert running.ready()[0] == 200
        refused = [event for event in history.events if event.status in REFUSED]
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


def times_of(running: Running, seed: int, number: int) -> tuple[History, float]:
    """Questions of the other tenant one after another; the median of the seconds they took."""
    chance = random.Random(seed)  # noqa: S311
    events: list[Event] = []
    for _ in range(number):
        events.append(put(running, draw(chance), who="other_tenant"))
        time.sleep(0.01)
    return History(events), statistics.median(event.ended - event.sent for event in events)


def test_a_tenant_with_all_its_places_taken_costs_another_little(
    project: Project,
) -> None:
    with gateway(project, "--memo", "0") as running:
        history, alone = times_of(running, 1, 20)
        with Clients(running, 2, count=CROWD) as load:
            load.wait_for(60, within_s=20)
            beside, together = times_of(running, 3, 20)
        crowd = load.end()
        busy = crowd.statuses()
    assert sum(busy.get(status, 0) for status in REFUSED) > 0, f"no crowd: {busy}"
    history += beside
    # None on a machine of its own; a busy one may be too slow for some.
    assert len(history.answered) > 30, history.statuses()
    check_answers(history.events, within_s=5)
    # Those that are decided when it comes go first; both share the processors with us.
    print(f"median alone {alone * 1000:.1f} ms, beside a crowd {together * 1000:.1f} ms")
    assert together < max(1, 20 * alone)
    history += crowd.some(100)
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
