"""A backup is whole or not there, is put back whole or not at all, and never hides its age."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.keeping.backup import Made, back_up
from gateway.keeping.drill import compare, drill
from gateway.keeping.errors import BackupError, SnapshotError
from gateway.keeping.restore import RESTORED, Restored, restore
from gateway.keeping.snapshot import open_snapshot
from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.guard import LedgerBehindError
from gateway.state import open_state, seen_place
from tests.gateway.keeping.states import (
    NOW,
    ORIGIN,
    append,
    checked,
    copied,
    damage,
    make_state,
)
from tests.gateway.world import Clock

ENTRIES = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_state(tmp_path_factory.mktemp("whole") / "state", ENTRIES).folder
    (folder / "bundles").mkdir()
    (folder / "bundles" / f"bundle-{'0' * 64}.tar.gz").write_bytes(b"rules")
    (folder / "seen").write_text("what the gateway has seen")
    return folder


@pytest.fixture
def state(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "state")


@pytest.fixture
def backup(whole: Path, tmp_path: Path) -> Made:
    return back_up(whole, tmp_path / "backup", now=NOW)


def put_back(made: Made, tmp_path: Path, **options: object) -> Restored:
    return restore(made.folder, tmp_path / "restored", now=NOW, **options)  # pyright: ignore[reportArgumentType]


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def go_on(folder: Path, first: int, last: int, *seen: bytes) -> bytes:
    """Append to a ledger; its newest checkpoint."""
    opened = open_state(folder)
    named = [("somebody", one) for one in seen]
    with opened.open_ledger(Clock(NOW + timedelta(hours=1)), seen=named) as log:
        append(log, opened.decision_key, range(first, last))
        return log.latest_checkpoint().encode()


# --- backing up ----------------------------------------------------------------------


def test_a_backup_holds_what_is_public_and_no_secret(whole: Path, backup: Made) -> None:
    assert names(backup.folder) == {
        "manifest.json",
        "origin",
        "trust.json",
        "decision.pem",
        f"ledger/{storage.DATABASE}",
        f"bundles/bundle-{'0' * 64}.tar.gz",
    }
    secrets = [(whole / name).read_bytes() for name in ("decision.key", "checkpoint.key")]
    for name in names(backup.folder):
        data = (backup.folder / name).read_bytes()
        assert b"PRIVATE" not in data
        assert all(secret not in data for secret in secrets)
    assert all(path.stat().st_mode & 0o077 == 0 for path in backup.folder.rglob("*"))


def test_a_backup_holds_keys_only_when_asked(whole: Path, tmp_path: Path) -> None:
    made = back_up(whole, tmp_path / "backup", now=NOW, with_keys=True)
    assert {"decision.key", "checkpoint.key", "tokens.json"} <= names(made.folder)
    assert "seen" not in names(made.folder)
    assert made.manifest.has_keys


def test_a_backup_of_a_gateway_that_runs_is_of_one_moment(state: Path, tmp_path: Path) -> None:
    opened = open_state(state)
    over = threading.Event()

    def write() -> None:
        for first in range(ENTRIES, ENTRIES + 20_000, 20):
            if over.is_set():
                return
            append(log, opened.decision_key, range(first, first + 20))

    with opened.open_ledger(Clock(NOW + timedelta(hours=1))) as log:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            made = [back_up(state, tmp_path / f"b{n}", now=NOW, quick=n > 0) for n in range(3)]
        finally:
            over.set()
            thread.join()
    sizes = [one.manifest.size for one in made]
    assert sizes == sorted(sizes)
    assert sizes[-1] > ENTRIES
    assert all(checked(one.folder).findings == () for one in made)


def test_a_damaged_ledger_is_not_backed_up(state: Path, tmp_path: Path) -> None:
    damage(state, "UPDATE record SET tenant = 'clinic-b' WHERE idx = 3")
    with pytest.raises(BackupError, match="does not hold"):
        back_up(state, tmp_path / "backup", now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_backup_replaces_nothing(whole: Path, backup: Made) -> None:
    with pytest.raises(BackupError, match="exists already"):
        back_up(whole, backup.folder, now=NOW)


def test_a_private_key_under_a_public_name_is_not_taken_along(state: Path, tmp_path: Path) -> None:
    (state / "decision.pem").write_bytes((state / "decision.key").read_bytes())
    with pytest.raises(BackupError, match="holds a private key"):
        back_up(state, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


def test_a_folder_without_a_ledger_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises((BackupError, SnapshotError)):
        back_up(tmp_path / "state", tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


def test_a_place_that_cannot_be_written_is_an_error(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="cannot write it"):
        back_up(whole, tmp_path / "file" / "backup", now=NOW)


# --- putting back --------------------------------------------------------------------


def test_what_is_put_back_is_what_was_backed_up(whole: Path, backup: Made, tmp_path: Path) -> None:
    restored = put_back(backup, tmp_path, expect=backup.digest)
    assert names(restored.folder) == names(backup.folder) - {"manifest.json"} | {RESTORED}
    assert checked(restored.folder) == checked(whole)
    note = json.loads((restored.folder / RESTORED).read_text())
    assert (note["backup"], note["size"]) == (backup.digest, ENTRIES)


def test_a_gateway_goes_on_with_keys_that_were_put_back(
    whole: Path, backup: Made, tmp_path: Path
) -> None:
    folder = put_back(backup, tmp_path).folder
    with pytest.raises(ConfigurationError):
        open_state(folder)
    for name in ("decision.key", "checkpoint.key", "tokens.json"):
        (folder / name).write_bytes((whole / name).read_bytes())
        (folder / name).chmod(0o600)
    go_on(folder, ENTRIES, ENTRIES + 5, backup.manifest.checkpoint.encode())
    report = checked(folder)
    assert (report.size, report.findings) == (ENTRIES + 5, ())


def test_a_log_that_was_put_back_goes_on_only_with_what_was_seen_of_it(
    whole: Path, state: Path, tmp_path: Path
) -> None:
    made = back_up(whole, tmp_path / "backup", now=NOW, with_keys=True)
    newest = go_on(state, ENTRIES, ENTRIES + 1)
    folder = put_back(made, tmp_path).folder
    with pytest.raises(LedgerBehindError, match="restored from a backup"):
        go_on(folder, ENTRIES, ENTRIES + 1)
    with pytest.raises(LedgerBehindError):
        go_on(folder, ENTRIES, ENTRIES + 1, newest)
    go_on(folder, ENTRIES, ENTRIES + 1, made.manifest.checkpoint.encode())
    assert checked(folder).size == ENTRIES + 1


def _change(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def _edit(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _list(**file: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        value = json.loads(path.read_text())
        value["files"].append({"path": "origin", "bytes": 1, "sha256": "0" * 64} | file)
        path.write_text(json.dumps(value))

    return change


def _link(folder: Path) -> None:
    (folder / "origin").unlink()
    (folder / "origin").symlink_to("/etc/hostname")


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the log": (_change(f"ledger/{storage.DATABASE}"), "not what was backed up"),
    "a bit of the trust file": (_change("trust.json"), "not what was backed up"),
    "a file that is gone": (lambda f: (f / "origin").unlink(), "is missing"),
    "a file more": (lambda f: (f / "decision.key").write_text("x"), "not in the manifest"),
    "a link": (_link, "not what was backed up"),
    # Whoever read these would never come to an end.
    "a pipe": (lambda f: _instead(f / "origin", os.mkfifo), "not what was backed up"),
    "a link to what has no end": (
        lambda f: _instead(f / "origin", lambda p: p.symlink_to("/dev/zero")),
        "not what was backed up",
    ),
    "a pipe as manifest": (lambda f: _instead(f / "manifest.json", os.mkfifo), "is no file"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "is no backup"),
    "a manifest that is no JSON": (lambda f: (f / "manifest.json").write_text("{"), "not JSON"),
    "a manifest of something else": (
        lambda f: (f / "manifest.json").write_text("{}"),
        "no manifest of a backup",
    ),
    "another format": (_edit(format="charter-backup/v9"), "charter-backup/v9"),
    "another root": (_edit(root="00" * 32), "another tree"),
    "another size": (_edit(size=5), "another tree"),
    "a path that leads out": (_list(path="../outside"), "no backup holds"),
    "an absolute path": (_list(path="/etc/passwd"), "no backup holds"),
    "a path of the guard": (_list(path="seen"), "no backup holds"),
    "a file listed twice": (_list(), "lists a file twice"),
    "a digest that is none": (_list(path="in_force.json", sha256="x"), "no backup holds"),
    "a file that is no object": (_edit(files=[1]), "that is no file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_backup_that_is_not_whole_is_not_put_back(
    what: str, backup: Made, tmp_path: Path
) -> None:
    change, message = BROKEN[what]
    change(backup.folder)
    with pytest.raises(BackupError, match=message):
        put_back(backup, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup"]


def test_a_backup_that_was_exchanged_whole_is_told_by_its_digest(
    state: Path, backup: Made, tmp_path: Path
) -> None:
    go_on(state, ENTRIES, ENTRIES + 1)
    other = back_up(state, tmp_path / "other", now=NOW)
    with pytest.raises(BackupError, match="another backup"):
        put_back(other, tmp_path, expect=backup.digest)


@pytest.mark.parametrize("there", ["a file in it", "a file", "a link"])
def test_nothing_is_put_over_what_is_there(there: str, backup: Made, tmp_path: Path) -> None:
    target = tmp_path / "restored"
    if there == "a file in it":
        target.mkdir()
        (target / "mine").write_text("kept")
    elif there == "a file":
        target.write_text("kept")
    else:
        (tmp_path / "empty").mkdir()
        target.symlink_to(tmp_path / "empty")
    before = names(tmp_path)
    with pytest.raises(BackupError, match="new"):
        put_back(backup, tmp_path)
    assert names(tmp_path) == before


def test_an_empty_folder_takes_a_backup(backup: Made, tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    assert put_back(backup, tmp_path).report.is_good


# --- what others have seen -----------------------------------------------------------


def test_a_backup_that_is_old_says_by_how_much_and_no_gateway_goes_on_with_it(
    whole: Path, state: Path, tmp_path: Path
) -> None:
    made = back_up(whole, tmp_path / "backup", now=NOW, with_keys=True)
    newest = go_on(state, ENTRIES, ENTRIES + 42)
    older = made.manifest.checkpoint.encode()
    place = seen_place(tmp_path / "restored")
    restored = put_back(made, tmp_path, seen=[older, newest, older], seen_file=place)
    assert (restored.seen, restored.short_by) == (ENTRIES + 42, 42)
    with pytest.raises(LedgerBehindError):
        go_on(restored.folder, ENTRIES, ENTRIES + 1)
    with pytest.raises(LedgerBehindError):
        go_on(restored.folder, ENTRIES, ENTRIES + 1, older)


def test_what_the_gateway_knows_better_is_not_replaced(
    state: Path, backup: Made, tmp_path: Path
) -> None:
    newest = go_on(state, ENTRIES, ENTRIES + 9)
    before = seen_place(state).read_bytes()
    older = backup.manifest.checkpoint.encode()
    put_back(backup, tmp_path, seen=[older], seen_file=seen_place(state))
    assert seen_place(state).read_bytes() == before
    assert json.loads(before)["logs"][0]["checkpoint"].encode() == newest


def test_a_backup_that_extends_what_was_seen_is_not_short(backup: Made, tmp_path: Path) -> None:
    with open_snapshot(backup.folder / "ledger") as snapshot:
        notes = [note.encode() for _, note, _ in snapshot.checkpoints(0)]
    restored = put_back(backup, tmp_path, seen=notes)
    assert (restored.seen, restored.short_by) == (ENTRIES, 0)


def test_another_history_of_the_log_is_not_put_back(
    backup: Made, whole: Path, tmp_path: Path
) -> None:
    key = CheckpointKey.load(whole / "checkpoint.key", name=ORIGIN)
    for size in (100, ENTRIES):
        fork = sign_checkpoint(Checkpoint(ORIGIN, size, bytes(32)), key).encode()
        with pytest.raises(BackupError, match="not the one that was seen"):
            put_back(backup, tmp_path, seen=[fork])
    assert not (tmp_path / "restored").exists()


def test_what_was_not_signed_by_the_log_was_not_seen(backup: Made, tmp_path: Path) -> None:
    other = CheckpointKey.generate(ORIGIN)
    forged = sign_checkpoint(Checkpoint(ORIGIN, 9_999, bytes(32)), other).encode()
    for seen in (forged, b"", b"no checkpoint"):
        with pytest.raises(BackupError, match="does not hold"):
            put_back(backup, tmp_path, seen=[seen])


# --- the drill -----------------------------------------------------------------------


def clock() -> datetime:
    return datetime.now(UTC)


def test_a_drill_proves_from_the_restored_log(whole: Path, tmp_path: Path) -> None:
    receipt = drill(whole, clock=clock, work=tmp_path)
    assert (receipt.size, receipt.running, receipt.proved) == (ENTRIES, ENTRIES, (0, 150, 299))
    assert receipt.root == checked(whole).root
    assert list(tmp_path.iterdir()) == []


def test_a_drill_says_by_how_much_the_log_falls_short(
    whole: Path, state: Path, tmp_path: Path
) -> None:
    newest = go_on(state, ENTRIES, ENTRIES + 7)
    receipt = drill(whole, clock=clock, seen=[newest])
    assert (receipt.seen, receipt.short_by) == (ENTRIES + 7, 7)


def test_a_drill_on_an_empty_ledger_proves_nothing(tmp_path: Path) -> None:
    state = make_state(tmp_path / "state", 0).folder
    assert drill(state, clock=clock).proved == ()


def test_a_drill_fails_where_the_ledger_is_damaged(state: Path) -> None:
    damage(state, "UPDATE tile SET hashes = randomblob(8192)")
    with pytest.raises(BackupError, match="does not hold"):
        drill(state, clock=clock)


def test_a_drill_fails_where_the_running_log_is_another_one(
    whole: Path, backup: Made, tmp_path: Path
) -> None:
    restored = put_back(backup, tmp_path)
    older = make_state(tmp_path / "older", ENTRIES - 1).folder
    with pytest.raises(BackupError, match="the running ledger has 299 entries"):
        compare(older, restored)
    other = make_state(tmp_path / "other", ENTRIES + 1).folder
    with pytest.raises(BackupError, match="the running ledger has root"):
        compare(other, restored)
    assert compare(whole, restored) == ENTRIES
