"""An older version wrote the log, this one reads and writes it, and the older one refuses it
then (F33). R4: what the older one published is extended."""

import io
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from gateway.ledger import storage
from tests.faults.history import History, check_answers, check_log, draw, put
from tests.faults.running import Project, Running, gateway, start
from tests.gateway.ledger.logs import tamper
from tests.project import ROOT

ONE_ENGINE = ("--engines", "cedar")
# The last one that wrote logs of version 1, in which bodies stood in the rows of their entries.
BEFORE_BODIES = "14e8b7d8f55bb862a5577c26d25ff15289688c5a"


def older(commit: str, folder: Path) -> dict[str, str]:
    """The environment in which that version of the program runs."""
    command = ("git", "archive", "--format=tar", commit, "gateway", "dsl", "docs")
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"this copy of the project has no history back to {commit}")
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        archive.extractall(folder)  # noqa: S202 - from our own history
    return {"PYTHONPATH": str(folder)}


def ask(running: Running, seed: int) -> History:
    chance = random.Random(seed)  # noqa: S311
    history = History([put(running, draw(chance)) for _ in range(5)])
    for event in history.events:
        assert event.decision == event.asked.right
    history.checkpoints.append(running.checkpoint())
    return history


def written(project: Project) -> bytes:
    """All that a ledger has on disk: what nobody has open has nothing in its side file."""
    folder = project.state / "ledger"
    wal = folder / f"{storage.DATABASE}-wal"
    assert not wal.exists() or not wal.stat().st_size
    return (folder / storage.DATABASE).read_bytes()


def test_a_log_of_an_older_version_goes_on_and_the_older_version_leaves_it_alone_then(
    project: Project, tmp_path: Path
) -> None:
    old = older(BEFORE_BODIES, tmp_path / "older")
    with gateway(project, *ONE_ENGINE, environment=old) as running:
        history = ask(running, 1)
    for seed in (2, 3):  # the first start brings it to this version
        with gateway(project, *ONE_ENGINE) as running:
            history += ask(running, seed)
    check_answers(history.events)
    assert check_log(project, history) == len(history.answered) + 1
    before = written(project)
    with pytest.raises(RuntimeError, match="use the version of Charter that wrote it") as said:
        start(project, *ONE_ENGINE, environment=old)
    assert str(said.value).count("\n") == 1, said.value
    assert written(project) == before
    with gateway(project, *ONE_ENGINE) as running:
        history += ask(running, 4)
    check_log(project, history)


def test_a_log_of_a_newer_version_is_refused_and_left_alone(project: Project) -> None:
    with gateway(project, *ONE_ENGINE) as running:
        ask(running, 1)
    statement = "UPDATE meta SET value = '99' WHERE key = 'schema_version'"
    tamper(project.state / "ledger", statement)
    before = written(project)
    with pytest.raises(RuntimeError, match="is of schema version 99") as said:
        start(project, *ONE_ENGINE)
    assert str(said.value).count("\n") == 1, said.value
    assert written(project) == before
