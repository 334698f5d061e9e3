"""What lies beside a ledger is held against it: cosignatures, timestamps, keys of questions; and
a ledger that was stopped on its way from an older version is told from a damaged one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.keeping import beside
from gateway.keeping.backup import back_up
from gateway.keeping.beside import check_beside
from gateway.keeping.errors import SnapshotError
from gateway.keeping.fsck import check
from gateway.keeping.snapshot import open_snapshot
from gateway.keeping.whole import check_whole
from gateway.keys import CheckpointKey
from gateway.ledger import migrate, storage
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.log import Log
from gateway.ledger.once import Once
from gateway.self_check import TENANT
from gateway.state import open_state
from gateway.verify import Trust
from gateway.verify.terms import Timestampers
from tests.gateway.keeping.states import (
    NOW,
    append,
    copied,
    damage,
    entry_id,
    make_state,
    signed,
    trust_of,
)
from tests.gateway.ledger.kept import kept_key, open_kept, unpack_kept
from tests.gateway.ledger.test_migrate import stopping_after
from tests.gateway.verify.fresh import Witness
from tests.gateway.verify.tsa import Authority
from tests.gateway.world import Clock

W1, W2 = Witness("one.example"), Witness("two.example")


class State:
    """A ledger of 300 entries with everything that can lie beside it."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.note = (folder / "ledger" / "witnessed.note").read_text()

    @property
    def trust(self) -> Trust:
        given = trust_of(self.folder)
        keys = (W1.public, W2.public)
        stamping = Timestampers((self.authority.root.pem, self.authority.middle.pem))
        return replace(given, terms=replace(given.terms, witnesses=keys, timestamps=stamping))

    def check(self, **options: Any) -> list[tuple[str, str]]:
        found = check_beside(self.folder, self.trust, **options)
        return [(one.check, one.level) for one in found]

    def put(self, name: str, data: bytes | str) -> None:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> State:
    place = tmp_path_factory.mktemp("beside")
    state = make_state(place / "state", 300)
    with state.open_ledger(Clock(NOW)) as log:
        entries = [(entry_id(n), TENANT, signed(n, state.decision_key)) for n in (300, 301)]
        answer = json.dumps([entry_id(300), {"title": "no"}, entry_id(301)])
        once = Once(b"k" * 32, TENANT, b"q" * 32, answer, int(NOW.timestamp()) + 60)
        for future in log.append_all(entries, once=once):
            future.result(30)
        note = log.latest_checkpoint()
    authority = Authority.make(place / "tsa")
    (state.folder / "ledger" / "witnessed.note").write_text(note + W1.line(note) + W2.line(note))
    with open_snapshot(state.folder / "ledger") as snapshot:
        notes = {size: note for size, note, _ in snapshot.checkpoints(0)}
    (state.folder / "timestamps").mkdir()
    for size in (100, 302):
        (state.folder / "timestamps" / f"{size}.checkpoint").write_text(notes[size])
        (state.folder / "timestamps" / f"{size}.tsr").write_bytes(
            authority.stamp(notes[size].encode())
        )
    return State(state.folder, authority)


@pytest.fixture
def state(made: State, tmp_path: Path) -> State:
    return State(copied(made.folder, tmp_path / "state"), made.authority)


def forged(state: State, size: int, root: bytes = b"r" * 32) -> str:
    """A checkpoint that the log really signed, of another history."""
    key = CheckpointKey.load(state.folder / "checkpoint.key", name=state.note.split("\n")[0])
    return sign_checkpoint(Checkpoint(key.public.name, size, root), key)


# --- what holds ----------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
def test_what_holds_is_no_finding(made: State, quick: bool) -> None:
    assert made.check(quick=quick) == []
    assert check_beside(made.folder, trust_of(made.folder)) == []


def test_what_is_not_there_is_no_finding(state: State) -> None:
    (state.folder / "ledger" / "witnessed.note").unlink()
    shutil.rmtree(state.folder / "timestamps")
    assert state.check() == []
    (state.folder / "timestamps").mkdir()
    state.put("timestamps/7.checkpoint", "stopped before the authority answered")
    state.put("timestamps/notes.txt", "of the operator")
    assert state.check() == []


def test_without_a_ledger_there_is_nothing_to_say(tmp_path: Path, made: State) -> None:
    with pytest.raises(SnapshotError):
        check_beside(tmp_path, made.trust)


# --- what does not -------------------------------------------------------------------

BROKEN: dict[str, tuple[Callable[[State], object], str]] = {
    "a cosignature that is damaged": (
        lambda s: s.put("ledger/witnessed.note", s.note[:-12] + "AAAAAAAAAA=\n"), "cosignature",
    ),
    "cosigned and not signed": (
        lambda s: s.put(
            "ledger/witnessed.note", "\n".join(s.note.split("\n")[:4] + s.note.split("\n")[5:])
        ), "cosignature",
    ),
    "cosigned text that was changed": (
        lambda s: s.put("ledger/witnessed.note", s.note.replace("\n302\n", "\n301\n", 1)),
        "cosignature",
    ),
    "another history that was cosigned": (
        lambda s: s.put("ledger/witnessed.note", forged(s, 200)), "cosignature",
    ),
    "more entries that were cosigned": (
        lambda s: s.put("ledger/witnessed.note", forged(s, 303)), "cosignature",
    ),
    "no note": (lambda s: s.put("ledger/witnessed.note", b"\xff\x00"), "cosignature"),
    "a token over another checkpoint": (
        lambda s: shutil.copy(
            s.folder / "timestamps" / "302.tsr", s.folder / "timestamps" / "100.tsr"
        ), "timestamp",
    ),
    "a token that is none": (lambda s: s.put("timestamps/100.tsr", b"none"), "timestamp"),
    "a token without its checkpoint": (
        lambda s: (s.folder / "timestamps" / "100.checkpoint").unlink(), "timestamp",
    ),
    "a token under the name of another size": (
        lambda s: [
            (s.folder / "timestamps" / f"100.{kind}").rename(
                s.folder / "timestamps" / f"101.{kind}"
            )
            for kind in ("checkpoint", "tsr")
        ], "timestamp",
    ),
    "another history that was stamped": (
        lambda s: s.put("timestamps/100.checkpoint", forged(s, 100)), "timestamp",
    ),
    "a key that leads nowhere": (
        lambda s: damage(s.folder, "UPDATE once SET answer = '[\"nobody\"]'"), "once",
    ),
    "a key that leads to another tenant": (
        lambda s: damage(s.folder, "UPDATE once SET tenant = 'clinic-b'"), "once",
    ),
    "a key that says nothing": (lambda s: damage(s.folder, "UPDATE once SET answer = '{'"), "once"),
    "a key that says no list": (
        lambda s: damage(s.folder, "UPDATE once SET answer = '\"entry-000300\"'"), "once",
    ),
    "a key that is too short": (
        lambda s: damage(s.folder, "UPDATE once SET key = x'6b'"), "once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_hold_is_found_and_named(state: State, name: str) -> None:
    break_it, check_name = BROKEN[name]
    break_it(state)
    found = state.check()
    assert (check_name, "damage") in found, found
    assert {one for one, _ in found} == {check_name}
    whole = check_whole(state.folder, state.trust)
    assert not whole.newest.is_good


def test_a_checkpoint_of_another_log_is_found(state: State, tmp_path: Path) -> None:
    other = make_state(tmp_path / "other", 1)
    with other.open_ledger() as log:
        state.put("ledger/witnessed.note", log.latest_checkpoint())
    assert state.check() == [("cosignature", "damage")]


@pytest.mark.parametrize("damaged", ["checkpoint", "tsr"])
def test_quick_looks_at_the_newest_timestamp_alone(state: State, damaged: str) -> None:
    state.put(f"timestamps/100.{damaged}", b"x")
    assert state.check(quick=True) == []
    state.put(f"timestamps/302.{damaged}", b"x")
    assert ("timestamp", "damage") in state.check(quick=True)


def test_an_authority_that_nobody_trusts_is_a_notice(state: State, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "tsa")
    note = (state.folder / "timestamps" / "302.checkpoint").read_bytes()
    state.put("timestamps/302.tsr", other.stamp(note))
    assert state.check() == [("timestamp", "notice")]


def test_many_keys_that_lead_nowhere_are_not_all_told(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "_MOST", 3)
    damage(
        state.folder,
        "INSERT INTO once SELECT randomblob(32), tenant, request, '[\"x\"]', until FROM once, "
        "(SELECT idx FROM record LIMIT 9)",
    )
    assert state.check() == [("once", "damage")] * 3


# --- copies --------------------------------------------------------------------------


def test_a_copy_whose_files_are_newer_than_its_ledger_is_no_damage(
    state: State, tmp_path: Path
) -> None:
    opened = open_state(state.folder)
    with opened.open_ledger(Clock(NOW)) as log:
        append(log, opened.decision_key, [310])
        note = log.latest_checkpoint()
    copy = back_up(state.folder, tmp_path / "copy", now=NOW).folder
    damage(copy, "DELETE FROM checkpoint WHERE tree_size = 303", "DELETE FROM record WHERE idx=302")
    damage(copy, "DELETE FROM body WHERE idx = 302")
    (copy / "ledger" / "witnessed.note").write_text(note)
    found = check_beside(copy, trust_of(copy), behind="notice")
    assert [(one.check, one.level) for one in found] == [("cosignature", "notice")]


# --- on its way from an older version ------------------------------------------------


def test_a_migration_that_was_stopped_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: State
) -> None:
    monkeypatch.setattr(migrate, "_AT_ONCE", 100)
    key = kept_key(tmp_path)
    told: set[str] = set()
    for statements in (5, *range(50, 140, 4)):
        folder = tmp_path / str(statements)
        unpack_kept(folder)
        try:
            open_kept(folder, key, connect=stopping_after(statements)).close()
            continue
        except KeyboardInterrupt:
            pass
        try:
            report = check(folder, made.trust)
        except SnapshotError as error:
            told.add(str(error).replace(str(folder), "F"))
        else:
            # All were moved. The log is none of this trust file, which says nothing of damage.
            kinds = {one.check for one in report.findings if one.level == "damage"}
            assert not kinds & {"schema", "gap", "head", "tile", "body"}, report.findings
        with open_kept(folder, key) as log:
            assert log.size == 262
    assert len(told) == 2
    assert all("open it once" in one for one in told)
    assert any("was stopped on its way" in one for one in told)


def test_a_ledger_that_was_stopped_while_it_was_made_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(tmp_path / "state")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("gateway.ledger.log.create_table", stop)
        with pytest.raises(KeyboardInterrupt):
            state.open_ledger()
    report = check(state.folder / "ledger", trust_of(state.folder))
    assert [(one.check, one.level) for one in report.findings] == [("schema", "notice")]
    with state.open_ledger() as log:
        assert isinstance(log, Log)
    assert check(state.folder / "ledger", trust_of(state.folder)).findings == ()
    assert (state.folder / "ledger" / storage.DATABASE).is_file()
