"""A ledger of this format as it was written on 2026-11-22: whatever changes later, this one is
read, proven and continued."""

import gzip
import json
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import check_extends, verify_checkpoint
from gateway.ledger.erased import ErasedEntryError
from gateway.ledger.log import Log
from gateway.ledger.proof import parse_place, verify_place, verify_proof
from gateway.verify import Trust
from gateway.verify.erased import verify_answer
from gateway.verify.refused import DecisionErasedError
from tests.project import ROOT

KEPT = ROOT / "tests" / "fixtures" / "ledger_v2"
ORIGIN = "ledger.example/test"


def told() -> dict[str, Any]:
    return json.loads((KEPT / "expected.json").read_text())


def opened(folder: Path) -> tuple[Log, CheckpointKey]:
    copy = folder / "kept.key"
    copy.touch(mode=0o600)
    copy.write_bytes((KEPT / "checkpoint.key").read_bytes())
    key = CheckpointKey.load(copy, name=ORIGIN)
    path = folder / "log" / storage.DATABASE
    path.parent.mkdir()
    path.write_bytes(gzip.decompress((KEPT / "ledger.sqlite3.gz").read_bytes()))
    os.chmod(path, 0o600)
    clock = datetime(2026, 11, 23, tzinfo=UTC)
    return Log.open(path.parent, origin=ORIGIN, signer=key, clock=lambda: clock), key


def test_a_kept_ledger_is_read_proven_and_continued(tmp_path: Path) -> None:
    expected = told()
    log, key = opened(tmp_path)
    with log:
        assert log.size == expected["size"]
        assert log.append("new", "clinic-a", b"{}").result().index == expected["size"]
        seen = verify_checkpoint(expected["checkpoint"].encode(), key.public, origin=ORIGIN)
        new = verify_checkpoint(log.latest_checkpoint().encode(), key.public, origin=ORIGIN)
        check_extends(seen, new, log.consistency(seen.size, new.size))
        read: list[dict[str, Any]] = [
            one for name, one in expected.items() if name.startswith("01a20297")
        ]
        assert len(read) == 3
        for of in read:
            record = log.get_at(of["index"])
            assert record is not None
            assert record.leaf_hash.hex() == of["leaf"]
            assert record.logged_at == of["logged_at"]
            assert sha256(record.body).hexdigest() == of["sha256"]
            for proof in (of["proof"], log.proof(record.id)):
                place = verify_proof(record.body, str(proof), key.public, origin=ORIGIN)
                assert place.index == of["index"]


def test_a_kept_erasure_is_still_one(tmp_path: Path) -> None:
    tombstone = told()["erased"]
    log, key = opened(tmp_path)
    with log:
        with pytest.raises(ErasedEntryError) as caught:
            log.get(tombstone["id"])
        why = log.get(caught.value.erasure_id)
        assert why is not None
        assert json.loads(why.body) == tombstone["record"]
        place = verify_place(
            parse_place(str(log.proof(tombstone["id"]))), key.public, origin=ORIGIN
        )
        assert place.index == tombstone["erased"]["index"]


def test_a_kept_tombstone_is_verified() -> None:
    trust = Trust.from_json(json.dumps(told()["trust"]).encode())
    with pytest.raises(DecisionErasedError, match="officer-1"):
        verify_answer(told()["erased"], trust)
