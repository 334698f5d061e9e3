"""`charter check --watch`: a real process, and files that change under it."""

import io
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from gateway.cli import watch
from tests.gateway.cli.commands import Charter, start
from tests.gateway.cli.test_check import MISSPELT
from tests.gateway.world import LAW

PATIENCE_S = 20.0


class Watched:
    """A watching process, with what it says line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.errors: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(process.stderr, self.errors.append)),
        ]
        for reader in self._readers:
            reader.daemon = True
            reader.start()

    @staticmethod
    def _read(stream: IO[str], put: Callable[[str], object]) -> None:
        for line in stream:
            put(line)

    def line(self) -> str:
        """The outcome of the next round."""
        return self._lines.get(timeout=PATIENCE_S)

    def until(self, word: str) -> str:
        """The first outcome from now on that begins so, behind its time."""
        while True:
            said = self.line()
            if said.split(" ", 1)[1].startswith(word):
                return said

    def told(self, words: str) -> bool:
        """Whether it says so on standard error, which is read beside the other."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if any(words in line for line in self.errors):
                return True
            time.sleep(0.05)
        return False

    def is_silent(self) -> bool:
        try:
            self._lines.get(timeout=4 * (watch.POLL_S + watch.SETTLED_S))
        except queue.Empty:
            return True
        return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code


@contextmanager
def watching(*arguments: str | Path) -> Generator[Watched]:
    process = start("check", "--watch", *arguments, PYTHONUNBUFFERED="1")
    watched = Watched(process)
    try:
        yield watched
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def test_a_file_is_written_broken_mended_renamed_and_deleted(project: Path) -> None:
    law = project / "law.charter"
    with watching(project) as watched:
        first = watched.line()
        assert first[2] == first[5] == ":"
        assert first[9:] == "OK: 3 files, 5 rules, 10 examples\n"
        assert watched.is_silent()  # nothing changed, nothing said

        law.write_text(MISSPELT)
        assert "1 error in 1 file" in watched.until("FAILED")
        assert watched.told("law.charter:12:8")

        law.write_text(LAW)
        watched.until("OK: 3 files")

        law.write_text(LAW[: len(LAW) // 2])  # half written, and left so
        watched.until("FAILED")
        law.rename(project / "renamed.charter")
        (project / "renamed.charter").write_text(LAW)
        watched.until("OK: 3 files")

        (project / "renamed.charter").write_bytes(b'charter x title "\xe9"')
        assert "not UTF-8" in watched.until("FAILED")
        (project / "renamed.charter").unlink()
        assert "2 rules" in watched.until("OK: 2 files")

        for path in project.glob("*.charter"):
            path.unlink()
        assert "no file that ends in .charter" in watched.until("FAILED")
        law.write_text("charter test.law\n")
        watched.until("OK: 1 file")
        assert watched.process.poll() is None
        assert watched.stop() == 0
        assert not any("Traceback" in line for line in watched.errors)
        assert "\x1b" not in "".join(watched.errors)  # no terminal, nothing is cleared


def test_one_file_that_goes_away_and_comes_again_is_watched_on(tmp_path: Path) -> None:
    path = tmp_path / "own.charter"
    path.write_text("charter own.law\n")
    with watching(path) as watched:
        watched.until("OK: 1 file")
        path.unlink()
        assert "own.charter: cannot read it: No such file" in watched.until("FAILED")
        path.write_text("charter own.law\n")
        watched.until("OK: 1 file")
        assert (watched.stop(), watched.errors) == (0, [])


def test_json_is_one_object_a_line(project: Path) -> None:
    with watching(project, "--format", "json") as watched:
        assert json.loads(watched.line())["ok"] is True
        (project / "law.charter").write_text(MISSPELT)
        told = json.loads(watched.line())
        assert (told["ok"], len(told["diagnostics"])) == (False, 1)
        assert set(told) == {"at", "ok", "diagnostics"}
        assert watched.stop() == 0


def test_a_burst_of_writes_is_one_round(project: Path) -> None:
    with watching(project) as watched:
        watched.line()
        for number in range(5):
            (project / "law.charter").write_text(LAW + f"# {number}\n")
            time.sleep(watch.SETTLED_S / 4)
        watched.until("OK")
        assert watched.is_silent()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("/nowhere",), "No such file"),
        ((".", "--format", "sarif"), "SARIF is one log of one run"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    charter: Charter, arguments: tuple[str, ...], words: str
) -> None:
    ran = charter("check", "--watch", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


# --- snapshots -----------------------------------------------------------------------


def test_a_snapshot_sees_every_change_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "own.charter"
    path.parent.mkdir()
    path.write_text("one")
    seen = [watch.snapshot([tmp_path])]
    (tmp_path / "notes.txt").write_text("x")
    assert watch.snapshot([tmp_path]) == seen[0]
    stat = path.stat()
    path.write_text("two")  # same size
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    seen.append(watch.snapshot([tmp_path]))
    other = tmp_path / "other"
    other.write_text("two")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    other.replace(path)  # same size and time, another file
    seen.append(watch.snapshot([tmp_path]))
    path.unlink()
    seen.append(watch.snapshot([tmp_path]))
    assert seen[-1] == {}
    assert all(seen[i] != seen[j] for i in range(4) for j in range(i))


def test_a_link_that_leads_nowhere_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "own.charter").symlink_to(tmp_path / "gone")
    assert watch.snapshot([tmp_path]) == {}
    assert watch.snapshot([tmp_path / "own.charter"]) == {}


class _Terminal(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "clears", "cleared"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_only_a_terminal_is_cleared(is_terminal: bool, clears: bool, cleared: bool) -> None:
    out = _Terminal(is_terminal=is_terminal)
    watch.Round(lambda _: "OK\n", out, clears=clears)()
    assert out.getvalue().endswith("OK\n")
    assert ("\x1b[2J" in out.getvalue()) is cleared
