"""A clock that is wrong (F18), steps while the gateway runs (F19), belongs to a machine that
was restored (F20), or stood still because the process did (F21). R7: decisions get stricter,
never looser; a step back is noticed; the order of the log does not suffer."""

import re
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.state import open_state
from tests.faults.history import Asked, Clients, Event, History, check_answers, check_log, put
from tests.faults.running import Project, Running, eventually, gateway, over_loopback
from tests.faults.tools import SEEDS, FakeTime, need, need_root, need_to_run
from tests.gateway.world import question
from tests.gateway_process import IN_ONE

DAY = 86400
ONE_ENGINE = ("--engines", "cedar")
SITE = """
[[site]]
id = "{name}"
valid_from = {begins}
valid_until = {ends}
source = "made up"
facts = {{ countries = ["FR"], open = true }}
"""
STEPS = (-3600, 0, DAY, *((0, 90 * DAY, 0, -90 * DAY) if SEEDS > 1 else ()))
PERMITTED = Asked(question(), "permit")


def at(site: str) -> Asked:
    return Asked(question(resource__id=site), "permit")


@pytest.fixture
def dated(project: Project) -> Project:
    """Sites that came a month ago and that go in a month; a token that ends in a month."""
    today = datetime.now(UTC).date()
    month = timedelta(days=30)
    far = timedelta(days=2000)
    sites = project.policies / "catalogue" / "sites.toml"
    with sites.open("a", encoding="utf-8") as file:
        file.write(SITE.format(name="came", begins=today - month, ends=today + far))
        file.write(SITE.format(name="goes", begins=today - far, ends=today + month))
    project.expire("other_tenant", datetime.now(UTC) + month)
    return project


def told(running: Running) -> datetime:
    """What the gateway takes for the time, as each of its answers says."""
    headers = {k.lower(): v for k, v in running.request("GET", "/livez").headers.items()}
    return parsedate_to_datetime(headers["date"])


@contextmanager
def on_a_clock(
    project: Project, offset: int, *arguments: str, **how: Any
) -> Generator[tuple[Running, FakeTime]]:
    """A gateway whose clock is off by so many seconds, and is shown to be."""
    fake = FakeTime(project.folder / "clock", offset, **how)
    with gateway(project, *ONE_ENGINE, *arguments, environment=fake.environment()) as running:
        check_offset(running, offset)
        yield running, fake


def check_offset(running: Running, offset: int) -> None:
    assert abs((told(running) - datetime.now(UTC)).total_seconds() - offset) < 5, "a right clock"


def set_and_wait(running: Running, fake: FakeTime, offset: int) -> None:
    fake.set(offset)

    def seen() -> bool:
        return abs((told(running) - datetime.now(UTC)).total_seconds() - offset) < 5

    eventually(seen, 10, "the clock has moved")


def refuse(running: Running) -> History:
    """Nobody is answered, nothing is logged, and it says why."""
    history = History()
    size = running.size
    for who in ("own", "other_tenant"):
        event = put(running, PERMITTED, who=who)
        assert (event.status, event.words.rpartition("/")[2]) == (503, "clock-in-doubt")
        history.events.append(event)
    assert running.ready() == (503, "the clock is in doubt")
    assert running.size == size
    return history


def permit(running: Running, site: str) -> Event:
    """The answer to a question that is a permit; a busy machine may need several attempts."""
    for _ in range(10):
        event = put(running, at(site))
        if event.decision == "permit":
            return event
        assert event.status == 503 or event.decision == "indeterminate", event
        assert not event.words.endswith("clock-in-doubt"), event
    raise AssertionError("no permit")


def test_on_a_clock_that_is_ahead_what_runs_out_has_run_out_and_once_it_is_right_it_says_so(
    dated: Project,
) -> None:
    with on_a_clock(dated, 90 * DAY) as (running, _):
        now = datetime.now(UTC) + timedelta(days=90)
        history = History([permit(running, "near"), permit(running, "came")])
        for event in history.events:
            assert event.answer is not None
            until = datetime.fromisoformat(event.answer["valid_until"])
            assert until - now <= timedelta(hours=1, seconds=5)
        assert put(running, at("goes")).status == 422
        assert put(running, at("near"), who="other_tenant").status == 401
    with gateway(dated, *ONE_ENGINE) as running:
        history += refuse(running)
        found = re.search(r"restart with (--clock-was-ahead-until) (\S+Z)", running.stderr)
        assert found is not None, running.stderr
    with gateway(dated, *ONE_ENGINE, found[1], found[2]) as running:
        history.events.append(permit(running, "near"))
    check_log(dated, history)


def test_a_clock_behind_the_log_decides_nothing(dated: Project) -> None:
    with gateway(dated, *ONE_ENGINE) as running:
        history = History([permit(running, "near")])
    with on_a_clock(dated, -90 * DAY) as (running, _):
        history += refuse(running)
        assert "set the clock" in running.stderr
    check_log(dated, history)


def test_on_a_clock_that_was_always_behind_what_came_since_is_not_there(dated: Project) -> None:
    with on_a_clock(dated, -90 * DAY) as (running, _):
        assert put(running, at("came")).status == 422
        permit(running, "goes")


def test_while_the_clock_steps_nobody_is_answered_by_the_wrong_time(dated: Project) -> None:
    with on_a_clock(dated, 0) as (running, fake):
        with Clients(running, 1, count=2) as load:
            load.wait_for(5)
            for offset in STEPS:
                set_and_wait(running, fake, offset)
                before = len(load.history.events)
                if offset:
                    load.history += refuse(running)
                    assert not load.history.events[before + 4].answer
                else:
                    eventually(lambda: running.ready()[0] == 200, 10, "ready again")
        history = load.end()
        for words in ("set the clock", "the clock jumped by", "the clock is trusted again"):
            assert words in running.stderr
    assert set(history.statuses()) == {200, 503}
    check_answers(history.events)
    for event in history.answered:
        assert event.answer is not None
        decided = datetime.fromisoformat(event.answer["decided_at"])
        assert abs((decided - datetime.now(UTC)).total_seconds()) < 60
    check_log(dated, history)
    with open_state(dated.state).open_ledger() as ledger:
        times = [stored.logged_at for n in range(ledger.size) if (stored := ledger.get_at(n))]
    assert times == sorted(times)


def test_on_a_machine_that_was_restored_nothing_ends_early(project: Project) -> None:
    need_root()
    odd = ("--monotonic", "1000000", "--boottime", "1000000")
    need_to_run(need("unshare"), "-T", *odd, "true")
    with gateway(
        project, *ONE_ENGINE, before=("unshare", "-T", *odd, "--fork", "--kill-child")
    ) as running:
        (inner,) = running.inner()
        assert " 1000000 " in Path(f"/proc/{inner}/timens_offsets").read_text()
        with Clients(running, 1) as load:
            load.wait_for(40)
        history = load.end()
        assert set(history.statuses()) == {200}
        assert running.ready()[0] == 200
    check_answers(history.events)
    check_log(project, history)


def test_a_process_that_was_stopped_for_a_minute_believes_nothing_from_before(
    project: Project,
) -> None:
    project.expire("other_tenant", datetime.now(UTC) + timedelta(seconds=50))
    with on_a_clock(project, 0, *IN_ONE, machine_too=True) as (running, fake):
        history = History([permit(running, "near"), put(running, PERMITTED, who="other_tenant")])
        assert history.events[1].status in (200, 503)
        with over_loopback(running.port) as idle, Clients(running, 1) as load:
            idle.sendall(b"GET /livez HTT")
            load.wait_for(5)
            running.process.send_signal(signal.SIGSTOP)
            asked = len(load.history.events)
            time.sleep(1.5)
            assert len(load.history.events) <= asked + 4, "not stopped"
            fake.set(60)
            running.process.send_signal(signal.SIGCONT)
            set_and_wait(running, fake, 60)
            load.wait_for(asked + 10)
            idle.settimeout(10)
            assert idle.recv(1000).startswith(b"HTTP/1.1 408 ")
            late = put(running, PERMITTED, who="other_tenant")
            assert late.status == 401, "the token ended while the process was stopped"
        history += load.end()
        assert running.ready()[0] == 200
    check_answers(history.events)
    check_log(project, history)
