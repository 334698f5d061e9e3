"""The supervisor where the system gives it no process, and where what is on disk has changed."""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.workers import supervisor
from gateway.workers.channel import Channel
from gateway.workers.supervisor import Supervisor


def writer(channel: Channel) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel.ready()
    while not channel.is_over():
        time.sleep(0.01)
    return 0


def worker(disk: Path, told: Path) -> Callable[[Channel], int]:
    """Works with what the disk says when it loads, and writes down what that was."""

    def say(words: str) -> None:
        with told.open("a") as file:
            file.write(f"{os.getpid()} {words}\n")

    def run(channel: Channel) -> int:
        words = disk.read_text()
        channel.loaded()

        def again(*_: object) -> None:
            say(disk.read_text())
            channel.reloaded(disk.read_text())

        signal.signal(signal.SIGHUP, again)
        signal.signal(signal.SIGTERM, leave)
        say(words)
        channel.ready(words)
        while not channel.is_over():
            time.sleep(0.01)
        return 0

    return run


def leave(*_: object) -> None:
    os._exit(0)


def lines(told: Path) -> list[tuple[int, str]]:
    text = told.read_text() if told.exists() else ""
    return [(int(pid), words) for pid, words in (line.split() for line in text.splitlines())]


def run(disk: Path, told: Path, then: Callable[[], None]) -> int:
    """A supervisor with two workers in this process until `then` has ended in a thread."""
    kept = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    kept[signal.SIGCHLD] = signal.getsignal(signal.SIGCHLD)
    failed: list[BaseException] = []

    def act() -> None:
        try:
            then()
        except BaseException as error:
            failed.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    acting = threading.Thread(target=act)

    def greet(_: str) -> None:
        acting.start()

    workers = [worker(disk, told), worker(disk, told)]
    try:
        code = Supervisor(writer, workers, explain=lambda _: 1, greet=greet, grace_s=5).run()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in kept.items():
            signal.signal(number, handler)
    if acting.ident is not None:
        acting.join()
    if failed:
        raise failed[0]
    return code


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    disk = tmp_path / "disk"
    disk.write_text("old")
    return disk, tmp_path / "told"


def test_a_worker_that_comes_back_with_other_rules_has_the_others_load_them(
    places: tuple[Path, Path],
) -> None:
    """Else the two would decide differently until somebody reloads."""
    disk, told = places

    def kill_one() -> None:
        first = lines(told)
        assert [words for _, words in first] == ["old", "old"]
        disk.write_text("new")
        os.kill(first[1][0], signal.SIGKILL)
        until(lambda: {pid for pid, words in lines(told) if words == "new"} >= {first[0][0]})

    assert run(disk, told, kill_one) == 0
    assert sum(words == "new" for _, words in lines(told)) == 2  # once each


def test_a_worker_that_comes_back_with_the_same_rules_disturbs_nobody(
    places: tuple[Path, Path],
) -> None:
    disk, told = places

    def kill_one() -> None:
        os.kill(lines(told)[1][0], signal.SIGKILL)
        until(lambda: len(lines(told)) == 3)
        time.sleep(0.1)

    assert run(disk, told, kill_one) == 0
    assert len(lines(told)) == 3


def test_where_no_process_is_to_be_had_the_others_go_on_and_it_is_tried_again(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, told = places
    fork, tries = supervisor.fork, iter(range(100))

    def poor(*arguments: object) -> None:
        """The fourth and fifth start find no process."""
        if next(tries) in (3, 4):
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        fork(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(supervisor, "fork", poor)

    def kill_one() -> None:
        first = lines(told)
        os.kill(first[1][0], signal.SIGKILL)
        until(lambda: len(lines(told)) == 3)
        os.kill(first[0][0], 0)  # the other was there all the time

    assert run(disk, told, kill_one) == 0
    assert next(tries) == 6


def test_where_no_first_process_is_to_be_had_the_gateway_ends(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poor(*_: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(supervisor, "fork", poor)
    assert run(*places, lambda: None) == 1
    assert lines(places[1]) == []
