"""A disk that is full (F8, F9), fails (F4), now and then (F5), is slow (F6), has a limit (F10) or
cannot be written (F17), one fault after another (F12). R1 to R6: what cannot be recorded is not
answered, least of all with a permit."""

import os
import random
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.history import Clients, History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, eventually, gateway, start
from tests.faults.tools import SEEDS, Strace, need, need_root, need_to_run, seeds
from tests.gateway_process import IN_ONE

ONE_ENGINE = ("--engines", "cedar")
RESTART_S = 30.0
SECONDS = ["fdatasync,fsync:error=EIO:when=1", "pread64:error=EIO:when=8"]


def ask_some(running: Running, seed: int, number: int) -> History:
    chance = random.Random(seed)  # noqa: S311
    history = History()
    for _ in range(number):
        history.events.append(put(running, draw(chance)))
    return history


def check_serves(running: Running, seed: int) -> History:
    history = ask_some(running, seed, 5)
    for event in history.events:
        assert event.decision == event.asked.right
    told_within(running, (200, ""))
    return history


def check_refuses(running: Running, seed: int) -> History:
    history = ask_some(running, seed, 5)
    for event in history.events:
        assert event.status == 503, event
        assert event.words.endswith("/ledger-unavailable")
    told_within(running, (503, "the log takes no entries"))
    return history


def told_within(running: Running, ready: tuple[int, str]) -> None:
    """At once by one process; of several, those that decide are told a moment later."""
    eventually(lambda: running.ready() == ready, 2, f"told {ready}")


# --- full ----------------------------------------------------------------------------


class SmallDisk:
    """The disk of a ledger, which can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            while self.room():
                with suppress(OSError):
                    file.write(bytes(self.room()))

    def room(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def mounted(folder: Path, options: str) -> Generator[SmallDisk]:
    need_root()
    folder.mkdir(mode=0o700, exist_ok=True)
    need_to_run(need("unshare"), "-m", "mount", "-t", "tmpfs", "tmpfs", str(folder))
    mount = ("mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs", str(folder))
    subprocess.run(mount, check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@pytest.mark.parametrize("seed", seeds())
def test_a_full_disk_is_refusals_until_there_is_room(project: Project, seed: int) -> None:
    history = History()
    with mounted(project.state / "ledger", "size=4m") as disk:
        with gateway(project, *ONE_ENGINE) as running:
            history += check_serves(running, seed)
            disk.fill()
            with Clients(running, seed) as load:
                eventually(lambda: 503 in load.history.statuses(), 15, "a refusal")
            history += load.end()
            assert disk.room() == 0, "the disk is not full"
            assert set(load.history.statuses()) <= {200, 503}, load.history.statuses()
            history += check_refuses(running, seed + 1)
            history.checkpoints.append(running.checkpoint())
            disk.free()
            history += check_serves(running, seed + 2)
            assert "Traceback" not in running.stderr
        check_answers(history.events)
        more = check_log(project, history) - len(history.answered) - 1
        assert 0 <= more <= history.late


def test_on_a_full_disk_it_does_not_start_and_says_so_in_one_line(project: Project) -> None:
    with mounted(project.state / "ledger", "size=1m") as disk:
        disk.fill()
        with pytest.raises(
            RuntimeError, match=r"disk is full|disk I/O error|No space left"
        ) as said:
            start(project, *ONE_ENGINE)
        assert str(said.value).count("\n") == 1, said.value
        disk.free()
        with gateway(project, *ONE_ENGINE) as running:
            check_serves(running, 1)


def test_on_a_disk_that_cannot_be_written_it_does_not_start_and_says_so(project: Project) -> None:
    with mounted(project.state / "ledger", "size=4m"):
        with gateway(project, *ONE_ENGINE) as running:
            history = check_serves(running, 1)
        ledger = str(project.state / "ledger")
        subprocess.run(("mount", "-o", "remount,ro", ledger), check=True)
        with pytest.raises(RuntimeError, match=r"(?i)read-?only") as said:
            start(project, *ONE_ENGINE)
        assert str(said.value).count("\n") == 1, said.value
        subprocess.run(("mount", "-o", "remount,rw", ledger), check=True)
        check_log(project, history)


# --- calls that fail -----------------------------------------------------------------


def test_a_disk_that_is_full_for_a_moment_refuses_for_a_moment(project: Project) -> None:
    strace = Strace(project.folder / "trace", "pwrite64", "pwrite64:error=ENOSPC:when=300..330")
    with gateway(project, *ONE_ENGINE, *IN_ONE, before=strace.command()) as running:
        with Clients(running, 1) as load:
            eventually(lambda: 503 in load.history.statuses(), 20, "a refusal")
            after = len(load.history.answered)
            eventually(lambda: len(load.history.answered) > after, RESTART_S, "an answer again")
        history = load.end()
        history += check_serves(running, 2)
    assert strace.injected(), "no write failed"
    assert set(history.statuses()) <= {200, 503}, history.statuses()
    check_answers(history.events)
    check_log(project, history)


@pytest.mark.parametrize("when", [12, *range(13, 12 + SEEDS)])
def test_after_a_sync_that_failed_nothing_is_written_until_a_restart(
    project: Project, when: int
) -> None:
    calls = "fdatasync,fsync"
    strace = Strace(project.folder / "trace", calls, f"{calls}:error=EIO:when={when}")
    with gateway(project, *ONE_ENGINE, *IN_ONE, before=strace.command()) as running:
        with Clients(running, when) as load:
            eventually(lambda: 503 in load.history.statuses(), 20, "a refusal")
            eventually(lambda: bool(strace.injected()), 20, "a sync that failed")
        history = load.end()
        history += check_refuses(running, when)  # the disk is well again; nobody can know it
        history.checkpoints.append(running.checkpoint())
        assert "restart the gateway" in running.stderr
    check_answers(history.events)
    check_log(project, history)
    with gateway(project, *ONE_ENGINE) as running:
        history += check_serves(running, when)
    check_log(project, history)


def test_after_a_sync_that_failed_the_log_is_read_again_by_itself_and_nothing_is_lost(
    project: Project,
) -> None:
    """As before, but the process that has the log ends, and another reads what the disk has."""
    calls = "fdatasync,fsync"
    # Each process counts its own: the next comes as far again, and ends again.
    strace = Strace(project.folder / "trace", calls, f"{calls}:error=EIO:when=20")
    with gateway(project, *ONE_ENGINE, before=strace.command()) as running:
        writer, history = running.pid_of("writer"), History()
        for _ in range(2):
            with Clients(running, 1, patient=True) as load:
                eventually(lambda load=load: 503 in load.history.statuses(), 20, "a refusal")
                after = len(load.history.answered)
                load.wait_for(after + 5, within_s=RESTART_S)
            history += load.end()
        history.checkpoints.append(running.checkpoint())
        assert running.pid_of("writer") != writer
    assert len(strace.injected()) >= 2, "no sync failed"
    assert set(history.statuses()) <= {200, 503}, history.statuses()
    check_answers(history.events)
    check_log(project, history)


@pytest.mark.parametrize("seed", seeds())
def test_syncs_that_fail_now_and_then_lose_nothing_however_often_it_is_started_again(
    project: Project, seed: int
) -> None:
    """F5: each start ends at the first that fails, and none of them in a permit too many."""
    chance = random.Random(seed)  # noqa: S311
    calls, history, failed = "fdatasync,fsync", History(), 0
    for number in range(2 if SEEDS == 1 else 4):
        when = f"{chance.randrange(12, 20)}+{chance.randrange(1, 6)}"
        trace = project.folder / f"trace-{number}"
        strace = Strace(trace, calls, f"{calls}:error=EIO:when={when}")
        with gateway(project, *ONE_ENGINE, *IN_ONE, before=strace.command()) as running:
            with Clients(running, seed + number) as load:
                eventually(lambda load=load: 503 in load.history.statuses(), 20, "a refusal")
            history += load.end()
            history += check_refuses(running, number)
            history.checkpoints.append(running.checkpoint())
        failed += len(strace.injected())
        check_log(project, history)
    assert failed >= 2, "a sync did not fail"
    check_answers(history.events)
    with gateway(project, *ONE_ENGINE) as running:
        history += check_serves(running, seed)
    check_log(project, history)


def test_a_slow_disk_makes_answers_slow_and_loses_none(project: Project) -> None:
    strace = Strace(project.folder / "trace", "fdatasync", "fdatasync:delay_enter=300000:when=6+")
    with gateway(project, *ONE_ENGINE, *IN_ONE, before=strace.command()) as running:
        with Clients(running, 1, count=12) as load:
            load.wait_for(36, within_s=20)
        history = load.end()
    slow = len(strace.injected())
    assert slow > 0, "no sync was slow"
    assert set(history.statuses()) <= {200, 429, 503}
    # One sync serves all who wait: with one each, twelve callers would wait 3.6 s.
    assert len(history.answered) > 2 * slow
    check_answers(history.events, within_s=5)
    check_log(project, history)


def test_a_limit_of_the_size_of_files_is_refusals_and_a_restart_without_it_serves(
    project: Project,
) -> None:
    limited = ("sh", "-c", 'ulimit -f 600; exec "$@"', "sh")  # of 512 bytes
    with gateway(project, *ONE_ENGINE, *IN_ONE, before=limited) as running:
        with Clients(running, 1) as load:
            eventually(lambda: 503 in load.history.statuses(), 20, "a refusal")
        history = load.end()
        history += check_refuses(running, 2)
    assert set(history.statuses()) <= {200, 503}
    check_answers(history.events)
    check_log(project, history)


@pytest.mark.parametrize("second", SECONDS[: max(1, SEEDS)])
def test_a_disk_that_fails_again_at_the_restart_after_a_kill_loses_nothing(
    project: Project, second: str
) -> None:
    calls = "fdatasync,fsync"
    strace = Strace(project.folder / "first", calls, f"{calls}:signal=KILL:when=14")
    running = start(project, *ONE_ENGINE, *IN_ONE, before=strace.command())
    load = Clients(running, 1, count=2)
    assert running.process.wait(20) == -9, "not killed: the fault did not happen"
    running.stop()
    history = load.end()
    again = Strace(project.folder / "second", second.partition(":")[0], second)
    said = ""
    try:
        with gateway(project, *ONE_ENGINE, *IN_ONE, before=again.command()) as running:
            history += ask_some(running, 2, 5)
    except RuntimeError as error:
        said = str(error)
    # It served, or said in one line why it does not start.
    assert not said or re.search("cannot (be (opened|read)|write it)", said), said
    assert again.injected(), "the second fault did not happen"
    check_answers(history.events)
    with gateway(project, *ONE_ENGINE) as running:
        history += check_serves(running, 3)
    check_log(project, history)
