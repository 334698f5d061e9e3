"""A log ends and another begins in its place: one history, whatever happens in between."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import next_log_files
from gateway.erasure import Grounds, erase, tombstone
from gateway.errors import ConfigurationError, EntryConflictError, GatewayError, LedgerError
from gateway.keys import CheckpointPublicKey
from gateway.keys.custody import Custody
from gateway.ledger import storage
from gateway.ledger.checkpoint import verify_checkpoint
from gateway.ledger.ended import open_ended
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.guard import LedgerBehindError, LedgerEndedError
from gateway.ledger.proof import verify_proof
from gateway.ledger.shards import Sharded, shard_folders, with_older
from gateway.ledger.tiles import TileReader
from gateway.next_log import Changed, change, prepare
from gateway.next_log_files import finish
from gateway.record.envelope import read_envelope
from gateway.rotation import rotate
from gateway.rotation_ground import Given
from gateway.state import State, open_state, seen_place
from gateway.verify import Trust
from gateway.verify.erased import verify_answer
from gateway.verify.refused import DecisionErasedError
from tests.gateway.ledger.logs import append, append_many, body_of

OLD, NEW = "ledger.example/2026", "ledger.example/2027"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A gateway with three entries."""
    made = open_state(tmp_path / "state", origin=OLD)
    with made.open_ledger() as log:
        append_many(log, 0, 3)
    return made


def done(state: State, **options: Any) -> Changed:
    settings: dict[str, Any] = {"reason": "a new year", "clock": now}
    return change(state, NEW, **{**settings, **options})


def check_whole(folder: Path, old_size: int = 3) -> None:
    """The new log goes on, the old one is read and proved, and takes nothing."""
    trust = Trust.from_json((folder / "trust.json").read_bytes())
    state = open_state(folder)
    assert (state.checkpoint_key.public.name, trust.origin) == (NEW, NEW)
    (ended,) = shard_folders(folder)
    assert not list(folder.rglob("next")) + list(folder.glob("shard.json"))
    assert sorted(one.name for one in ended.iterdir()) == ["ledger", "vkey"]
    with state.open_ledger() as newest:
        ledger = with_older(newest, folder)
        append(newest, "entry-9")
        for entry_id, origin in (("entry-0", OLD), ("entry-2", OLD), ("entry-9", NEW)):
            record, text = ledger.get(entry_id), ledger.proof(entry_id)
            assert record is not None
            assert text is not None
            assert record.body == body_of(entry_id)
            (key,) = trust.log_keys(origin)
            verify_proof(body_of(entry_id), text, key, origin=origin)
        assert (ledger.get("entry-77"), ledger.proof("entry-77")) == (None, None)
        first = newest.get_at(0)
        assert first is not None
        said = json.loads(read_envelope(json.loads(first.body)).payload)["predicate"]
        (key,) = trust.log_keys(OLD)
        tree = verify_checkpoint(said["log"]["checkpoint"].encode(), key, origin=OLD)
        assert (said["action"], tree.size, said["log"]["last_size"]) == (
            "new-log", old_size, old_size,
        )  # fmt: skip
        ledger.close()


# --- what happens --------------------------------------------------------------------


def test_the_next_log_begins_with_the_last_checkpoint_of_the_one_that_ended(state: State) -> None:
    changed = done(state)
    assert (changed.old, changed.size, changed.new) == (OLD, 3, NEW)
    check_whole(state.folder)


def test_who_verifies_believes_the_old_key_up_to_its_last_entry(state: State) -> None:
    done(state)
    document = json.loads((state.folder / "trust.json").read_bytes())
    old = state.checkpoint_key.public.vkey
    assert document["further_logs"] == [{"origin": OLD, "vkey": old, "last_size": 3}]
    assert document["log"]["origin"] == NEW
    assert {one["keyid"] for one in document["decision_keys"]} == {state.decision_key.key_id}


def test_a_third_log_follows_the_second(state: State) -> None:
    done(state)
    again = open_state(state.folder)
    change(again, "ledger.example/2028", reason="another", clock=now)
    folders = shard_folders(state.folder)
    assert [one.name for one in folders] == ["2", "1"]
    with open_state(state.folder).open_ledger() as newest:
        ledger = with_older(newest, state.folder)
        assert ledger.get("entry-1") is not None
        ledger.close()
    trust = Trust.from_json((state.folder / "trust.json").read_bytes())
    assert [len(trust.log_keys(one)) for one in (OLD, NEW, "ledger.example/2028")] == [1, 1, 1]


def test_a_next_log_that_was_prepared_is_known_before_it_signs(state: State) -> None:
    vkey = prepare(state, NEW)
    trust = Trust.from_json((state.folder / "trust.json").read_bytes())
    assert [one.vkey for one in trust.log_keys(NEW)] == [vkey]
    with open_state(state.folder).open_ledger() as log:
        append(log, "entry-3")
    assert done(open_state(state.folder)).vkey == vkey
    check_whole(state.folder, 4)


# --- the one that ended --------------------------------------------------------------


def test_the_log_that_ended_takes_nothing_from_anybody(state: State) -> None:
    done(state)
    (ended,) = shard_folders(state.folder)
    connection = sqlite3.connect(ended / "ledger" / storage.DATABASE)
    rows: dict[str, str] = {
        "record": "INSERT INTO record SELECT 3, 'x', tenant, commitment, logged_at FROM record",
        "tile": "INSERT INTO tile VALUES (0, 0, x'00')",
        "checkpoint": "INSERT INTO checkpoint VALUES (9, 'x', 'x')",
    }
    for statement in rows.values():
        with pytest.raises(sqlite3.IntegrityError, match="has ended"):
            connection.execute(statement)
    connection.close()
    key = CheckpointPublicKey.from_vkey((ended / "vkey").read_text().strip())
    with open_ended(ended / "ledger", key) as log:
        with pytest.raises(LedgerEndedError):
            append(log, "entry-3")
        assert log.refusal() is not None
    with TileReader.open(ended / "ledger") as reader:
        assert reader.checkpoint()[0] == 3


def test_a_log_ends_while_one_key_takes_the_place_of_another(state: State) -> None:
    rotate(Given(state.folder, Custody(), clock=now), "checkpoint")
    overlapped = open_state(state.folder)
    (before,) = overlapped.earlier
    with overlapped.open_ledger() as log:
        append_many(log, 3, 5)
    change(overlapped, "third.example", reason="x", clock=now)
    trust = Trust.from_json((state.folder / "trust.json").read_bytes())
    assert dict(trust.terms.last_sizes) == {key.vkey: 6 for key in trust.log_keys(OLD)}
    assert before in trust.log_keys(OLD)
    assert not list(state.folder.rglob("checkpoint.before.key"))
    with open_state(state.folder).open_ledger() as newest:
        ledger = with_older(newest, state.folder)
        text = ledger.proof("entry-4")
        assert text is not None
        for key in trust.log_keys(OLD):
            verify_proof(body_of("entry-4"), text, key, origin=OLD)
        append(newest, "entry-9")
        ledger.close()


def test_a_record_of_a_log_that_ended_is_erased_and_the_tombstone_names_that_log(
    state: State,
) -> None:
    done(state)
    with open_state(state.folder).open_ledger() as newest:
        ledger = with_older(newest, state.folder)
        grounds = Grounds("asked for", "GDPR art 17", "me")
        said = erase(ledger, state.decision_key, entry="entry-0", grounds=grounds, now=now())
        assert (said.index, said.erasure_index, ledger.size) == (0, 1, 2)
        with pytest.raises(ErasedEntryError) as caught:
            ledger.get("entry-0")
        told = tombstone(ledger, caught.value)
        trust = Trust.from_json((state.folder / "trust.json").read_bytes())
        with pytest.raises(DecisionErasedError, match="GDPR art 17"):
            verify_answer(told, trust)
        for entry, words in (("entry-0", "is erased"), (said.erasure_id, "says why another")):
            with pytest.raises(LedgerError, match=words):
                erase(ledger, state.decision_key, entry=entry, grounds=grounds, now=now())
        ledger.close()


def test_a_log_that_has_not_ended_or_is_of_another_key_is_not_read_as_one(state: State) -> None:
    other = open_state(state.folder.with_name("other"), origin=OLD).checkpoint_key.public
    with pytest.raises(LedgerError, match="has not ended"):
        open_ended(state.folder / "ledger", state.checkpoint_key.public)
    done(state)
    (ended,) = shard_folders(state.folder)
    with pytest.raises(LedgerError):
        open_ended(ended / "ledger", other)


def test_an_old_copy_of_the_whole_folder_is_refused_after_the_change(
    state: State, tmp_path: Path
) -> None:
    shutil.copytree(state.folder, tmp_path / "copy")
    done(state)
    shutil.rmtree(state.folder)
    shutil.copytree(tmp_path / "copy", state.folder)
    with pytest.raises(LedgerEndedError, match="has ended with 3"):
        open_state(state.folder).open_ledger()


def test_the_ledger_of_a_log_that_ended_is_not_opened_to_write(state: State) -> None:
    done(state)
    (ended,) = shard_folders(state.folder)
    moved = State(ended, state.decision_key, state.checkpoint_key, None)
    with pytest.raises(LedgerEndedError, match="has taken its place"):
        moved.open_ledger(seen_file=ended / "no")


# --- cut off -------------------------------------------------------------------------


class CutError(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", range(23))
def test_a_change_that_was_cut_off_is_nothing_or_is_finished(
    state: State, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    left = [at]

    def cut(do: Callable[..., Any]) -> Callable[..., Any]:
        def one(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise CutError
            return do(*arguments, **options)

        return one

    with monkeypatch.context() as broken:
        for name in ("_sync", "end_log"):
            broken.setattr(next_log_files, name, cut(getattr(next_log_files, name)))
        for name in ("rename", "replace", "unlink"):
            broken.setattr(Path, name, cut(getattr(Path, name)))
        with pytest.raises(CutError):
            done(state)
    if (state.folder / "shard.json").exists():
        with pytest.raises(ConfigurationError, match="was begun and not finished"):
            open_state(state.folder)
        assert finish(state.folder)
        key = next(state.folder.rglob("shards/1/checkpoint.key"), None)
        assert key is None
    elif not shard_folders(state.folder):
        done(open_state(state.folder))
    assert not finish(state.folder)
    for left_over in state.folder.rglob("shards/1/checkpoint.key"):
        left_over.unlink()  # the marker was gone, and the key was the last thing
    check_whole(state.folder)


# --- refused -------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [OLD, "", "a b", "a+b", "x\n"])
def test_a_name_that_is_none_or_was_used_is_refused_and_nothing_changes(
    state: State, origin: str
) -> None:
    for do in (
        lambda: change(state, origin, reason="x", clock=now),
        lambda: prepare(state, origin),
    ):
        with pytest.raises(ConfigurationError):
            do()
    assert (shard_folders(state.folder), (state.folder / "next").exists()) == ([], False)


def test_a_name_of_a_log_before_is_refused(state: State) -> None:
    done(state)
    with pytest.raises(ConfigurationError, match="is or was a log"):
        change(open_state(state.folder), OLD, reason="x", clock=now)


def test_another_than_the_prepared_one_is_refused(state: State) -> None:
    prepare(state, NEW)
    for do in (
        lambda: prepare(state, NEW),
        lambda: prepare(state, "else.example"),
        lambda: change(state, "else.example", reason="x", clock=now),
    ):
        with pytest.raises(ConfigurationError, match="prepared"):
            do()


def test_while_a_gateway_runs_nothing_changes(state: State) -> None:
    with state.open_ledger() as log:
        with pytest.raises(LedgerError, match="open already"):
            done(state)
        append(log, "entry-3")
    assert shard_folders(state.folder) == []


def test_a_ledger_that_is_behind_ends_only_where_it_was_last_seen_and_on_demand(
    state: State, tmp_path: Path
) -> None:
    shutil.copytree(state.folder / "ledger", tmp_path / "old")
    with state.open_ledger() as log:
        append_many(log, 3, 5)
    shutil.rmtree(state.folder / "ledger")
    shutil.copytree(tmp_path / "old", state.folder / "ledger")
    with pytest.raises(LedgerBehindError):
        done(state)
    assert shard_folders(state.folder) == []
    assert done(state, lost=True).size == 5
    check_whole(state.folder, 5)


@pytest.mark.parametrize("knows", [True, False])
def test_a_restored_ledger_ends_on_demand_and_the_next_log_begins(
    state: State, tmp_path: Path, knows: bool
) -> None:
    shutil.copytree(state.folder / "ledger", tmp_path / "old")
    with state.open_ledger() as log:
        append_many(log, 3, 5)
    shutil.rmtree(state.folder / "ledger")
    shutil.copytree(tmp_path / "old", state.folder / "ledger")
    (state.folder / "restored.json").write_text("{}")
    if not knows:
        seen_place(state.folder).unlink()
    with pytest.raises(LedgerBehindError):
        done(state)
    assert shard_folders(state.folder) == []
    size = 5 if knows else 3
    assert done(state, lost=True).size == size
    check_whole(state.folder, size)


def test_a_log_that_ended_and_was_moved_away_does_not_give_its_number_to_another(
    state: State, tmp_path: Path
) -> None:
    done(state)
    change(open_state(state.folder), "third.example", reason="x", clock=now)
    shutil.move(state.folder / "shards" / "1", tmp_path / "archive")
    change(open_state(state.folder), "fourth.example", reason="x", clock=now)
    assert [one.name for one in shard_folders(state.folder)] == ["3", "2"]
    with open_state(state.folder).open_ledger() as newest:
        append(newest, "entry-9")


def test_what_is_missing_of_a_log_before_is_no_reason_to_go_on_without_it(state: State) -> None:
    done(state)
    (ended,) = shard_folders(state.folder)
    (ended / "vkey").unlink()
    with open_state(state.folder).open_ledger() as newest, pytest.raises(LedgerError, match="vkey"):
        with_older(newest, state.folder)


def test_an_entry_is_logged_once_in_each_log_alone(state: State) -> None:
    """Ids are drawn so that they do not meet; what is asked again is found where it is."""
    done(state)
    with open_state(state.folder).open_ledger() as newest:
        ledger = with_older(newest, state.folder)
        assert isinstance(ledger, Sharded)
        append(newest, "entry-9")
        with pytest.raises(EntryConflictError):
            ledger.append("entry-9", "clinic-a", b"other").result(30)
        ledger.close()


def test_without_a_trust_file_nothing_changes(state: State) -> None:
    (state.folder / "trust.json").unlink()
    with pytest.raises(GatewayError):
        done(state)
    assert shard_folders(state.folder) == []
