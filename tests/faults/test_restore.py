"""F15: an old backup is put back. R4: the log is not signed on behind what was seen of it."""

import shutil
from pathlib import Path

import pytest

from tests.faults.running import Project, gateway
from tests.gateway.world import question


def copy(project: Project, name: str) -> Path:
    to = project.folder / name
    shutil.copytree(project.state, to)
    return to


def put_back(project: Project, copied: Path) -> None:
    shutil.rmtree(project.state)
    shutil.copytree(copied, project.state)


def test_an_old_backup_of_the_whole_state_folder_is_refused(tmp_path: Path) -> None:
    project = Project.make(tmp_path)
    exported, seen = tmp_path / "exported", tmp_path / "state.seen"
    with gateway(project) as running:
        assert running.ask(question()).status == 200
    old = copy(project, "old")
    with gateway(project) as running:
        assert running.ask(question()).status == 200
        exported.write_bytes(running.checkpoint())
        size = running.size
    newest = copy(project, "newest")
    put_back(project, old)
    with (
        pytest.raises(RuntimeError, match=f"{size} were signed: an older copy was put back"),
        gateway(project),
    ):
        pass
    # The machine is gone, and with it what was seen there; an auditor has a checkpoint.
    seen.unlink()
    with (
        pytest.raises(RuntimeError, match=f"exported shows that {size} were signed"),
        gateway(project, "--workers", "2", "--seen", str(exported)),
    ):
        pass
    assert not seen.exists()
    put_back(project, newest)
    with gateway(project, "--seen", str(exported)) as running:
        assert running.ask(question()).status == 200
        assert running.size == size + 1
    assert seen.is_file()
