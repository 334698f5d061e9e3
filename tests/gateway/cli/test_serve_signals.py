"""A gateway that is told to stop before it serves stops: in order, soon, and so that it can
be started again."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from gateway.callers import TokenFile
from tests.gateway.world import write_project
from tests.gateway_process import CHARTER

SOON_S = 20.0
START_S = 1.6  # of a machine at rest, roughly; the moments need not be exact


def begin(folder: Path) -> subprocess.Popen[str]:
    where = ("--policies", str(folder / "policies"), "--state", str(folder / "state"))
    return subprocess.Popen(
        [*CHARTER, "serve", "--port", "0", "--format", "json", "--engines", "reference", *where],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=SOON_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("it was told to stop and did not")
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_that_is_told_to_stop_as_it_greets_stops_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_project(tmp_path / "policies")
    process = begin(tmp_path)
    assert process.stderr is not None
    next(line for line in process.stderr if '"listening"' in line)
    process.send_signal(number)
    code, said = end(process)
    assert code == 0
    assert "Traceback" not in said


def test_a_gateway_that_is_told_to_stop_at_any_moment_stops_and_starts_again(
    tmp_path: Path,
) -> None:
    write_project(tmp_path / "policies")
    usual = START_S
    for part in (3, 5, 6, 7, 8):
        process = begin(tmp_path)
        time.sleep(usual * part / 8)
        process.terminate()
        code, said = end(process)
        # Before Python has begun, nobody is there to stop in order.
        assert code in (0, -signal.SIGTERM), said
        assert "Traceback" not in said
    process = begin(tmp_path)
    assert process.stderr is not None
    next(line for line in process.stderr if '"listening"' in line)
    process.terminate()
    assert end(process)[0] == 0
    tokens = (tmp_path / "state" / "tokens.json").read_bytes()
    assert len(TokenFile.model_validate_json(tokens).tokens) == 1


def test_a_first_start_that_is_stopped_leaves_a_whole_state_folder_or_none(tmp_path: Path) -> None:
    write_project(tmp_path / "policies")
    process = begin(tmp_path)
    deadline = time.monotonic() + SOON_S
    state = tmp_path / "state"
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.0005)
    process.terminate()
    code, _ = end(process)
    assert code == 0
    assert (state / "origin").exists(), "half of a state folder was left"
