"""The system has no randomness to give (F34). R1, R5: no key and no nonce is made of anything
else, nothing is answered that would need one, and R6: it serves again once there is some."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.history import Clients, check_answers, check_log
from tests.faults.running import Project, Running, eventually, gateway
from tests.faults.tools import SEEDS, Strace, need, need_root, need_to_run
from tests.gateway_process import CHARTER, IN_ONE
from tests.project import ROOT

FAILS = "getrandom:error=EIO"
CALLS = "getrandom,openat"
ONE_ENGINE = ("--engines", "cedar")
START_S = 40
# What falls back on the devices finds them empty.
HIDE = (
    'for one in random urandom; do mount --bind /dev/null "/dev/$one" || exit 99; done; exec "$@"'
)
NO_DEVICES = ("unshare", "-m", "sh", "-c", HIDE, "sh")


@contextmanager
def without_randomness(running: Running, trace: Path) -> Generator[None]:
    """For the length of the block, a gateway that runs is given none."""
    strace = need("strace")
    need_to_run(strace, "-f", "-o", "/dev/null", "true")
    command = [strace, "-f", "-p", str(running.process.pid), "-o", str(trace)]
    command += ["-e", "trace=getrandom", "-e", f"inject={FAILS}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        if "attached" not in said:
            process.kill()
            pytest.skip(f"this system lets nobody trace a process that runs: {said.strip()}")
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def test_without_randomness_nothing_is_decided_and_with_it_again_all_is(project: Project) -> None:
    trace = project.folder / "trace"
    with gateway(project, *ONE_ENGINE, *IN_ONE) as running:
        with Clients(running, 1, count=2) as load:
            load.wait_for(5)
            with without_randomness(running, trace):
                eventually(lambda: 500 in load.history.statuses(), 15, "a refusal")
                began = time.monotonic()
                time.sleep(0.5)
                ended = time.monotonic()
            after = len(load.history.answered)
            eventually(lambda: len(load.history.answered) > after, 30, "an answer again")
        history = load.end()
        assert running.ready()[0] == 200
    assert "(INJECTED)" in trace.read_text(), "randomness did not fail"
    within = [one for one in history.events if began < one.sent and one.ended < ended]
    assert {one.status for one in within} == {500}
    assert {one.words.rpartition("/")[2] for one in within} == {"internal"}
    check_answers(history.events)
    # What was refused left nothing in the log.
    assert check_log(project, history) == len(history.answered) + 1


def first_start(project: Project, state: Path, strace: Strace) -> "subprocess.Popen[str]":
    """A first start, which makes keys, a token and a log."""
    where = (
        "--policies",
        str(project.policies),
        "--state",
        str(state),
        "--engines",
        "cedar",
        *IN_ONE,
    )
    return subprocess.Popen(
        [*NO_DEVICES, *strace.command(), *CHARTER, "serve", "--port", "0", *where],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def made(lines: list[str], name: str) -> int:
    """The line that makes a file; raises `StopIteration` where none does."""
    return next(n for n, line in enumerate(lines) if name in line and "O_CREAT" in line)


def test_without_randomness_no_key_no_token_and_no_log_is_made(
    project: Project, tmp_path: Path
) -> None:
    need_root()
    need_to_run(*NO_DEVICES, "true")
    whole = Strace(tmp_path / "whole", CALLS)
    with first_start(project, tmp_path / "state", whole) as process:
        database = tmp_path / "state" / "ledger" / "ledger.sqlite3"
        eventually(database.exists, START_S, "a log")
        process.kill()
    lines = whole.lines()
    for name in ("decision.key", "tokens.json"):
        # From the last call before it is made: what it would be made of.
        when = sum("getrandom(" in line for line in lines[: made(lines, name)])
        for earlier in range(4 if SEEDS > 1 else 1):
            number = when - earlier
            state = tmp_path / f"state-{name}-{number}"
            strace = Strace(tmp_path / f"trace-{number}", CALLS, f"{FAILS}:when={number}+")
            with first_start(project, state, strace) as process:
                said = process.communicate(timeout=START_S)[1]
            assert strace.injected(), "randomness did not fail"
            assert process.returncode == 1, said
            check_nothing_more(state, strace.lines(), name)


def check_nothing_more(state: Path, lines: list[str], name: str) -> None:
    failed = next(n for n, line in enumerate(lines) if "(INJECTED)" in line)
    for secret in ("decision.key", "checkpoint.key", "tokens.json", "ledger.sqlite3"):
        with pytest.raises(StopIteration):
            made(lines[failed:], secret)
    assert not (state / name).exists()
