"""A ledger of version 1, as that version of the program wrote it, and what it said of it."""

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.log import Log
from tests.project import ROOT

KEPT = ROOT / "tests" / "fixtures" / "ledger_v1"
KEPT_ORIGIN = "ledger.example/kept"
KEPT_SIZE = 262
LATER = datetime(2026, 11, 23, tzinfo=UTC)


def expected() -> dict[str, Any]:
    return json.loads((KEPT / "expected.json").read_text())


def kept_key(folder: Path) -> CheckpointKey:
    """The key of the kept log, from a copy that nobody else may read."""
    copy = folder / "kept.key"
    copy.touch(mode=0o600)
    copy.write_bytes((KEPT / "checkpoint.key").read_bytes())
    return CheckpointKey.load(copy, name=KEPT_ORIGIN)


def unpack_kept(folder: Path) -> Path:
    """The kept ledger as a database in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / storage.DATABASE
    path.write_bytes(gzip.decompress((KEPT / "ledger.sqlite3.gz").read_bytes()))
    os.chmod(path, 0o600)
    return path


def open_kept(folder: Path, key: CheckpointKey, **options: Any) -> Log:
    clock = iter(range(10**6))
    return Log.open(
        folder,
        origin=KEPT_ORIGIN,
        signer=key,
        clock=lambda: LATER + timedelta(seconds=next(clock)),
        **options,
    )
