"""A log is not signed on behind what was seen of it, nor beside it."""

import json
import logging
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import LedgerError
from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.ledger.checkpoint import Checkpoint, sign_checkpoint
from gateway.ledger.guard import (
    Guard,
    LedgerBehindError,
    LedgerEndedError,
    LedgerEndUnknownError,
    LedgerForkedError,
)
from gateway.ledger.log import Log
from gateway.ledger.seen import Seen, SeenFile
from tests.gateway.ledger.logs import (
    KEY,
    ORIGIN,
    append,
    append_many,
    check_continues,
    checkpoint_of,
    open_log,
)


def guarded(tmp_path: Path, folder: str = "ledger", **options: object) -> Log:
    settings: dict[str, object] = {"interval_s": 0.05, **options}
    return open_log(tmp_path / folder, guard=Guard(tmp_path / "seen", **settings))  # pyright: ignore[reportArgumentType]


def copy(tmp_path: Path, name: str) -> None:
    shutil.copytree(tmp_path / "ledger", tmp_path / name)


def put_back(tmp_path: Path, name: str) -> None:
    shutil.rmtree(tmp_path / "ledger")
    shutil.copytree(tmp_path / name, tmp_path / "ledger")


def kept(tmp_path: Path) -> list[int]:
    return [one.checkpoint.size for one in SeenFile(tmp_path / "seen").read()]


# --- the file ------------------------------------------------------------------------


def test_what_is_signed_is_kept_while_the_log_grows_and_at_its_end(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        assert kept(tmp_path) == [0]
        append_many(log, 0, 3)
        deadline = time.monotonic() + 10
        while kept(tmp_path) != [3]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with guarded(tmp_path, interval_s=1000) as log:
        append_many(log, 3, 7)
        assert kept(tmp_path) == [3]
    assert kept(tmp_path) == [7]
    assert stat.S_IMODE((tmp_path / "seen").stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ledger", "seen"]


def test_a_file_that_cannot_be_written_is_told_once_and_stops_no_append(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "apart" / "seen"
    with open_log(tmp_path / "ledger", guard=Guard(place, interval_s=0.02)) as log:
        shutil.rmtree(place.parent)
        place.parent.write_text("no folder any more")
        with caplog.at_level(logging.ERROR, "charter"):
            for number in range(3):
                append(log, f"entry-{number}")
                time.sleep(0.1)
    told = [record for record in caplog.records if "is not kept" in record.message]
    assert len(told) == 1


def test_a_place_that_cannot_be_written_is_told_before_anything_is_appended(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="seen"):
        open_log(tmp_path / "ledger", guard=Guard(tmp_path / "file" / "seen"))
    with open_log(tmp_path / "ledger") as log:
        assert log.size == 0


WRONG_FILES = {
    "empty": b"",
    "no JSON": b"seen",
    "too deep": b"[" * 100_000,
    "a list": b"[]",
    "another format": b'{"format": "charter-seen/v2", "logs": []}',
    "more members": b'{"format": "charter-seen/v1", "logs": [], "more": 1}',
    "a row with no note": b'{"format": "charter-seen/v1", "logs": [{"ended": false}]}',
    "a note that is none": (
        b'{"format": "charter-seen/v1", "logs": [{"checkpoint": "x", "ended": false}]}'
    ),
    "an end that is none": (
        b'{"format": "charter-seen/v1", "logs": [{"checkpoint": "x", "ended": 0}]}'
    ),
    "no UTF-8": b'{"format": "\xff"}',
    "keys that are no list": (
        b'{"format": "charter-seen/v1", "logs": [{"checkpoint": "x", "ended": true, "keys": ""}]}'
    ),
    "keys that are no text": (
        b'{"format": "charter-seen/v1", "logs": [{"checkpoint": "x", "ended": true, "keys": [1]}]}'
    ),
    "too large": b" " * (1024 * 1024 + 1),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_that_says_nothing_is_no_reason_to_go_on(tmp_path: Path, name: str) -> None:
    (tmp_path / "seen").write_bytes(WRONG_FILES[name])
    with pytest.raises(LedgerError, match="does not say what was seen"):
        guarded(tmp_path)
    assert (tmp_path / "seen").read_bytes() == WRONG_FILES[name]


def test_several_logs_are_kept_in_one_file(tmp_path: Path) -> None:
    other = CheckpointKey.generate(ORIGIN)
    with guarded(tmp_path) as log:
        append_many(log, 0, 2)
    guard = Guard(tmp_path / "seen")
    with open_log(tmp_path / "other", signer=other, guard=guard) as log:
        append_many(log, 0, 5)
    assert kept(tmp_path) == [2, 5]
    with guarded(tmp_path) as log:
        append_many(log, 2, 3)
    assert kept(tmp_path) == [5, 3]


# --- F15 -----------------------------------------------------------------------------


def test_an_old_copy_that_is_put_back_is_refused_and_the_newest_goes_on(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 300)
    copy(tmp_path, "old")
    with guarded(tmp_path) as log:
        append(log, "entry-300")
        newest = checkpoint_of(log)
    copy(tmp_path, "new")
    put_back(tmp_path, "old")
    for _ in range(2):  # refusing changes nothing
        with pytest.raises(LedgerBehindError, match="301 were signed"):
            guarded(tmp_path)
    assert kept(tmp_path) == [301]
    put_back(tmp_path, "new")
    with guarded(tmp_path) as log:
        append(log, "entry-301")
        check_continues(log, newest)


def test_another_history_of_the_same_length_or_longer_is_refused(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 300)
    copy(tmp_path, "old")
    with guarded(tmp_path) as log:
        append_many(log, 300, 310)
    for more in (10, 300):
        put_back(tmp_path, "old")
        with open_log(tmp_path / "ledger") as log:  # without a guard: this is the fork
            append(log, *(f"other-{number}" for number in range(more)))
        with pytest.raises(LedgerForkedError, match="another history"):
            guarded(tmp_path)


def test_an_old_copy_from_before_the_key_was_replaced_is_refused(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 3)
    copy(tmp_path, "old")
    keys = [CheckpointKey.generate(ORIGIN) for _ in range(2)]
    earlier: list[CheckpointPublicKey] = [KEY.public]
    for number, key in enumerate(keys, 3):
        guard = Guard(tmp_path / "seen")
        with open_log(tmp_path / "ledger", signer=key, earlier=earlier, guard=guard) as log:
            append(log, f"entry-{number}")
        earlier = [key.public, *earlier]
    copy(tmp_path, "new")
    put_back(tmp_path, "old")
    for _ in range(2):
        with pytest.raises(
            LedgerBehindError, match=r"5 entries .* a key that trust\.json does not"
        ):
            guarded(tmp_path)
    assert kept(tmp_path) == [5]
    put_back(tmp_path, "new")
    guard = Guard(tmp_path / "seen")
    with open_log(tmp_path / "ledger", signer=keys[1], earlier=earlier, guard=guard) as log:
        append(log, "entry-5")


# --- what others have seen -----------------------------------------------------------


def note(size: int, root: bytes | None = None, key: CheckpointKey = KEY) -> bytes:
    return sign_checkpoint(Checkpoint(key.public.name, size, root or bytes(32)), key).encode()


def real(log: Log) -> bytes:
    return log.latest_checkpoint().encode()


SEEN: dict[str, tuple[Callable[[Log], bytes], type[LedgerError], str]] = {
    "more": (lambda log: note(301), LedgerBehindError, "mirror shows that 301"),
    "far more": (lambda log: note(2**62), LedgerBehindError, "mirror shows"),
    "the same size, another root": (lambda log: note(300), LedgerForkedError, "mirror shows"),
    "fewer, another root": (lambda log: note(7), LedgerForkedError, "first 7 entries"),
    "another key": (
        lambda log: note(300, key=CheckpointKey.generate(ORIGIN)), LedgerError, "signed by its key",
    ),
    "another log": (
        lambda log: note(300, key=CheckpointKey.generate("else.example")),
        LedgerError,
        "no checkpoint of the log",
    ),
    "a bad signature": (
        lambda log: real(log).replace(b"\n300\n", b"\n200\n"), LedgerError, "signed by its key",
    ),
    "a page": (lambda log: b"<!doctype html>\n", LedgerError, "this is no checkpoint"),
    "nothing": (lambda log: b"", LedgerError, "this is no checkpoint"),
    "noise": (lambda log: b"\xff\xfe" * 100, LedgerError, "this is no checkpoint"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_what_others_have_seen_keeps_the_log_from_growing(tmp_path: Path, name: str) -> None:
    seen, error, words = SEEN[name]
    with guarded(tmp_path) as log:
        append_many(log, 0, 300)
        found = seen(log)
    with pytest.raises(error, match=words):
        guarded(tmp_path, seen=[("a mirror", found)])
    with guarded(tmp_path) as log:
        assert log.size == 300


def test_older_and_newest_checkpoints_of_the_same_history_let_it_grow(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    with guarded(tmp_path) as log:
        for size in (0, 1, 256, 300):
            if size:
                append_many(log, log.size, size)
            seen.append((f"of {size}", real(log)))
    with guarded(tmp_path, seen=seen) as log:
        append(log, "entry-300")


# --- a log that has ended, a ledger that was restored --------------------------------


def test_a_log_that_has_ended_takes_nothing_even_from_an_older_copy(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 3)
        last = log.latest_checkpoint()
    SeenFile(tmp_path / "seen").write(Seen.of(last, ended=True), [KEY.public])
    with pytest.raises(LedgerEndedError, match="has ended with 3"):
        guarded(tmp_path)


def test_a_restored_ledger_needs_somebody_who_says_how_far_its_log_had_come(
    tmp_path: Path,
) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 2)
        before = real(log)
        append_many(log, 2, 3)
        last = real(log)
    (tmp_path / "seen").unlink()
    restored = tmp_path / "restored.json"
    restored.write_text("{}")
    with pytest.raises(LedgerBehindError, match="restored from a backup"):
        guarded(tmp_path, restored=restored)
    assert restored.exists()
    with pytest.raises(LedgerEndUnknownError, match="no more than 2 entries are known"):
        guarded(tmp_path, restored=restored, seen=[("a mirror that is behind", before)])
    assert restored.exists()
    with pytest.raises(LedgerBehindError, match="4 were signed"):
        guarded(tmp_path, restored=restored, seen=[("who knows", note(4))])
    assert restored.exists()
    with guarded(tmp_path, restored=restored, seen=[("who knows", last)]) as log:
        append(log, "entry-3")
    assert not restored.exists()
    guarded(tmp_path, restored=restored).close()


def test_the_file_is_what_the_page_says(tmp_path: Path) -> None:
    with guarded(tmp_path) as log:
        append_many(log, 0, 1)
        last = log.latest_checkpoint()
    value = json.loads((tmp_path / "seen").read_text(encoding="utf-8"))
    row = {"checkpoint": last, "ended": False, "keys": [KEY.public.vkey]}
    assert value == {"format": "charter-seen/v1", "logs": [row]}
