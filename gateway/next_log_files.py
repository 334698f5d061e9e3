"""The files of a change of logs: what was begun is finished, however often it is cut off."""

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.keys import CheckpointPublicKey
from gateway.keys.custody import BEFORE_FILE
from gateway.ledger.ended import end_log
from gateway.ledger.seen import Seen, SeenFile
from gateway.ledger.shards import FOLDER, VKEY
from gateway.state import NEXT_LOG, RESTORED

NEXT = "next"
KEY = "checkpoint.key"
ORIGIN = "origin"
TRUST = "trust.json"
TRUST_FORMAT_2 = "charter-trust/v2"
_OF_OLD = ("ledger", KEY, BEFORE_FILE, "timestamps")
# The trust file comes last: it says what is in force.
_OF_NEW = ("ledger", KEY, ORIGIN, TRUST)


def finish(folder: Path) -> bool:
    """Do what is left of a change that was begun in a state folder; whether one was.

    Raises:
        ConfigurationError: A file cannot be moved; the same again goes on from there.
    """
    marker = folder / NEXT_LOG
    if not marker.exists():
        return False
    try:
        told = json.loads(marker.read_bytes())
        shard = folder / FOLDER / str(int(told["number"]))
        shard.mkdir(parents=True, exist_ok=True, mode=0o700)
        moved = shard / "ledger"
        old = CheckpointPublicKey.from_vkey(told["old"]["vkey"])
        last = Seen.of(told["checkpoint"], ended=True)
        SeenFile(Path(told["seen_file"])).write(last, [old])
        end_log(moved if moved.exists() else folder / "ledger", str(told["new"]))
        write_text(shard / VKEY, f"{old.vkey}\n")
        if (folder / NEXT / TRUST).exists():
            _change_places(folder, shard, told.get("of_old", _OF_OLD))
        shutil.rmtree(folder / NEXT, ignore_errors=True)
        # It was about the log that has ended.
        (folder / RESTORED).unlink(missing_ok=True)
        marker.unlink()
        _sync(folder)
        # After all else, or a second run would take the new key for this one. Nobody signs
        # for the old log any more.
        for key in (KEY, BEFORE_FILE):
            (shard / key).unlink(missing_ok=True)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(
            f"{folder}: the change of logs is not finished: {error}"
        ) from error
    return True


def files_of_old(folder: Path) -> list[str]:
    """What goes with the log that ends. A key that is in a token is in no file, and the next
    one may be: whoever goes on after a crash must not take that for the old one."""
    return [name for name in _OF_OLD if (folder / name).exists()]


def _change_places(folder: Path, shard: Path, of_old: Collection[str]) -> None:
    for name in _OF_OLD:
        if name in of_old and (folder / name).exists() and not (shard / name).exists():
            (folder / name).rename(shard / name)
    _sync(shard)
    for name in _OF_NEW:
        if (folder / NEXT / name).exists():
            (folder / NEXT / name).replace(folder / name)
            _sync(folder)


def write_next_trust(folder: Path, new: CheckpointPublicKey, old: dict[str, Any]) -> None:
    document = read_trust(folder)
    before = [one for one in document.get("further_logs", []) if one["origin"] != new.name]
    # One that signed alongside has ended with it.
    before = [
        {"last_size": old["last_size"], **one} if one["origin"] == old["origin"] else one
        for one in before
    ]
    following = {
        **document,
        "format": TRUST_FORMAT_2,
        "log": {"origin": new.name, "vkey": new.vkey},
        "further_logs": [*before, old],
    }
    write_text(folder / NEXT / ORIGIN, new.name + "\n")
    write_json(folder / NEXT / TRUST, following)


def read_trust(folder: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / TRUST).read_bytes())
        _ = document["log"]["origin"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{folder / TRUST} does not tell the log: put it back") from error
    return document


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
