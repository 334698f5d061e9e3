"""The clock: what makes it doubted, for how long, and that a doubt is an error, never a time."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.clock import KEPT_S, SETTLE_S, TOLERANCE_S, TrustedClock, machine_seconds
from gateway.errors import ClockError

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Machine:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.wall = START.timestamp()
        self.machine = 1000.0

    def run(self, seconds: float, *, wall: float | None = None) -> None:
        self.machine += seconds
        self.wall += seconds if wall is None else wall

    def step(self, seconds: float) -> None:
        self.wall += seconds

    def clock(self, not_before: datetime | None = None) -> TrustedClock:
        clock = TrustedClock(wall=lambda: self.wall, machine=lambda: self.machine)
        return clock.not_before(not_before)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def refuse(clock: TrustedClock, words: str) -> str:
    with pytest.raises(ClockError, match=words) as caught:
        clock()
    return str(caught.value)


def test_a_clock_that_runs_evenly_is_told_in_utc(machine: Machine) -> None:
    clock = machine.clock()
    for number in range(5):
        assert clock() == START + timedelta(hours=number)
        machine.run(3600)


@pytest.mark.parametrize("seconds", [-1.9, -0.5, 0.5, 1.9])
def test_a_small_correction_is_no_step(machine: Machine, seconds: float) -> None:
    clock = machine.clock()
    clock()
    machine.run(10)
    machine.step(seconds)
    assert clock() == START + timedelta(seconds=10 + seconds)


def test_a_clock_that_is_corrected_slowly_for_a_day_is_trusted_all_day(machine: Machine) -> None:
    clock = machine.clock()
    for _ in range(24):
        machine.run(3600, wall=3600 * 1.0005)
        clock()


@pytest.mark.parametrize("seconds", [TOLERANCE_S + 0.1, 60, 3600, 86400, 90 * 86400])
def test_a_step_back_stops_decisions_until_the_time_is_past_that_instant(
    machine: Machine, seconds: float
) -> None:
    clock = machine.clock()
    machine.run(100)
    latest = clock()
    machine.step(-seconds)
    words = refuse(clock, "set the clock")
    assert "restart with --clock-was-ahead-until 2026-11-22T09:31:40.000Z" in words
    machine.run(seconds - TOLERANCE_S - 0.05)
    refuse(clock, "set the clock")
    machine.run(SETTLE_S + TOLERANCE_S)
    assert clock() > latest


def test_a_clock_that_is_set_right_after_a_step_back_is_trusted_at_once(machine: Machine) -> None:
    clock = machine.clock()
    clock()
    machine.step(-3600)
    refuse(clock, "set the clock")
    machine.step(3600)
    machine.run(1)
    assert clock() == START + timedelta(seconds=1)


@pytest.mark.parametrize("seconds", [TOLERANCE_S + 0.1, 60, 86400, 90 * 86400])
def test_a_step_ahead_stops_decisions_until_it_has_run_evenly(
    machine: Machine, seconds: float
) -> None:
    clock = machine.clock()
    clock()
    machine.step(seconds)
    refuse(clock, "jumped by")
    machine.run(SETTLE_S - 0.1)
    refuse(clock, "jumped by")
    machine.run(0.1)
    assert clock() == START + timedelta(seconds=seconds + SETTLE_S)


def test_a_step_ahead_that_is_taken_back_leaves_no_trace(machine: Machine) -> None:
    clock = machine.clock()
    clock()
    machine.step(86400)
    refuse(clock, "jumped by \\+86400 s")
    machine.run(5)
    machine.step(-86400)
    assert clock() == START + timedelta(seconds=5)


def test_a_clock_that_keeps_jumping_never_settles(machine: Machine) -> None:
    clock = machine.clock()
    clock()
    for _ in range(20):
        machine.step(60)
        machine.run(SETTLE_S / 2)
        refuse(clock, "jumped")


def test_a_pause_between_looking_at_one_clock_and_at_the_other_is_no_step() -> None:
    machine = Machine()
    pauses = [0.0, 0.0, 0.0, 3.0, 0.0]

    def wall() -> float:
        now = machine.wall
        machine.run(pauses.pop() if pauses else 0)
        return now

    clock = TrustedClock(wall=wall, machine=lambda: machine.machine)
    for _ in range(4):
        clock()
    assert not pauses


def test_a_machine_that_slept_has_not_jumped(machine: Machine) -> None:
    clock = machine.clock()
    clock()
    machine.run(8 * 3600)
    assert clock() == START + timedelta(hours=8)


@pytest.mark.parametrize("seconds", [3, 3600, 90 * 86400])
def test_a_clock_behind_the_newest_record_is_not_begun_with(
    machine: Machine, seconds: float
) -> None:
    clock = machine.clock(START + timedelta(seconds=seconds))
    refuse(clock, "set the clock")
    machine.run(seconds)
    assert clock() == START + timedelta(seconds=seconds)


def test_a_clock_at_the_newest_record_is_begun_with(machine: Machine) -> None:
    assert machine.clock(START)() == START
    assert machine.clock(START - timedelta(days=400))() == START


def test_each_doubt_is_told_once_and_so_is_its_end(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    clock = machine.clock()
    clock()
    machine.step(-60)
    for _ in range(3):
        refuse(clock, "set the clock")
    machine.step(60)
    clock()
    clock()
    told = [(r.levelname, r.getMessage().split(":")[0]) for r in caplog.records]
    assert [level for level, _ in told] == ["ERROR", "WARNING"]
    assert told[1][1] == "the clock is trusted again"


def test_the_clock_of_the_machine_runs_on() -> None:
    before = machine_seconds()
    assert 0 <= machine_seconds() - before < 60


# --- an instant that is told again ---------------------------------------------------------


def kept(machine: Machine) -> TrustedClock:
    return TrustedClock(wall=lambda: machine.wall, machine=lambda: machine.machine, keep_s=0.5)


def test_an_instant_is_told_again_for_a_while_and_no_longer(machine: Machine) -> None:
    clock = kept(machine)
    first = clock()
    machine.run(0.4)
    assert clock() is first
    machine.run(0.11)
    assert clock() == first + timedelta(seconds=0.51)


@pytest.mark.parametrize("by", [-100.0, 100.0])
def test_a_step_is_seen_when_the_while_is_over(machine: Machine, by: float) -> None:
    clock = kept(machine)
    clock()
    machine.step(by)
    machine.run(0.6)
    refuse(clock, "the clock")


def test_while_the_time_is_in_doubt_nothing_is_told_again(machine: Machine) -> None:
    clock = kept(machine)
    clock()
    machine.step(100)
    machine.run(0.6)
    refuse(clock, "jumped")
    refuse(clock, "jumped")


def test_a_machine_whose_own_clock_goes_back_is_not_believed_for_it(machine: Machine) -> None:
    clock = kept(machine)
    machine.machine -= 0.2
    before = clock()
    machine.machine -= 0.3
    machine.wall += 0.1
    assert clock() != before


def test_a_gateway_keeps_less_than_it_writes_down() -> None:
    assert KEPT_S < 0.001
