"""What a killed gateway left in the folder for temporary files is removed; nothing else is."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.pdp.opa_folder import PREFIX, OpaFolder, remove_left
from tests.project import ROOT

HOLD = """
from gateway.pdp.opa_folder import OpaFolder
folder = OpaFolder()
(folder.path / "bundle.tar.gz").write_bytes(b"x")
print(folder.path, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def another_gateway(folder: Path) -> "tuple[subprocess.Popen[str], Path]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_gateway_is_removed_and_that_of_a_running_one_is_not(
    temporary: Path,
) -> None:
    mine = OpaFolder()
    process, theirs = another_gateway(temporary)
    try:
        assert remove_left() == 0
        assert (theirs / "bundle.tar.gz").exists()
    finally:
        process.kill()
        process.communicate()
    assert remove_left() == 1
    assert [one.name for one in temporary.iterdir()] == [mine.path.name]
    mine.remove()
    mine.remove()
    assert remove_left() == 0
    assert list(temporary.iterdir()) == []


def test_only_this_user_can_enter_it() -> None:
    mine = OpaFolder()
    assert mine.path.stat().st_mode & 0o777 == 0o700
    assert (mine.path / "lock").stat().st_mode & 0o777 == 0o600
    mine.remove()


def left(temporary: Path) -> Path:
    """A folder as a killed gateway leaves it."""
    folder = temporary / f"{PREFIX}left"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch(0o600)
    return folder


def no_lock(folder: Path) -> None:
    (folder / "lock").unlink()


def another_name(folder: Path) -> None:
    folder.rename(folder.with_name("charter-opb-left"))


def open_to_others(folder: Path) -> None:
    folder.chmod(0o755)


def of_another_user(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("to give a folder to another user needs root")
    os.chown(folder, 65534, 65534)


def a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def a_linked_lock(folder: Path) -> None:
    (folder / "lock").rename(folder / "other")
    (folder / "lock").symlink_to("other")


def a_file(folder: Path) -> None:
    (folder / "lock").unlink()
    folder.rmdir()
    folder.touch(0o700)


@pytest.mark.parametrize(
    "harm",
    [no_lock, another_name, open_to_others, of_another_user, a_link, a_linked_lock, a_file],
)
def test_what_may_be_somebody_elses_stays(temporary: Path, harm: Callable[[Path], None]) -> None:
    harm(left(temporary))
    before = sorted(str(one) for one in temporary.rglob("*"))
    assert remove_left() == 0
    assert sorted(str(one) for one in temporary.rglob("*")) == before


def test_what_is_left_without_a_folder_for_temporary_files_is_nothing(
    monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    assert remove_left() == 0
    with pytest.raises(OSError, match="No such file"):
        OpaFolder()
