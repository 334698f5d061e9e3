"""A source that is a file, JSON or TOML: read again when it has changed.

    format = "charter-facts-file/v1"
    observed_at = 2026-11-22T09:30:00Z
    [[row]]
    id = "fr-par-1"
    facts = { status = "operating" }

A row may have an `observed_at` of its own, and has a `tenant` where what is asked has one.
"""

import os
import stat
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from typing import cast

from gateway import toml_text
from gateway.errors import FactSourceError, JsonError
from gateway.pdp.supplied import Status
from gateway.record.canonical import Json, load_strict
from gateway.sources import answer
from gateway.sources.interface import Key, Raw

FORMAT = "charter-facts-file/v1"
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_KEYS = 10_000_000
_HEAD, _ROW = {"format", "observed_at", "row"}, {"id", "tenant", "observed_at", "facts"}

_Stamp = tuple[int, int, int, int]
_Rows = Mapping[Key, Json]


class FileBackend:
    """The rows of a file; those of a file that is wrong are not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._one = Lock()
        self._read: tuple[_Stamp, _Rows | FactSourceError] | None = None

    def read(self, key: Key) -> Raw | None:
        row = self.rows().get(key)
        return None if row is None else Raw(row)

    def rows(self) -> _Rows:
        """The rows as the file is now.

        Raises:
            FactSourceError: It cannot be read, others can change it, or it is malformed.
        """
        with self._one:
            try:
                with self._path.open("rb") as file:
                    stamp = _stamp(os.fstat(file.fileno()), self._path)
                    if self._read is None or self._read[0] != stamp:
                        self._read = (stamp, _rows_of(file.read(MAX_FILE_BYTES + 1), self._path))
            except OSError as error:
                words = f"{self._path}: cannot read it: {error.strerror}"
                raise FactSourceError(Status.UNREACHABLE.value, words) from error
            found = self._read[1]
        if isinstance(found, FactSourceError):
            raise FactSourceError(found.status, str(found))
        return found


def _stamp(found: os.stat_result, path: Path) -> _Stamp:
    if not stat.S_ISREG(found.st_mode):
        raise FactSourceError(Status.UNREACHABLE.value, f"{path}: this is no file")
    if found.st_mode & 0o022:
        words = f"{path} can be changed by others: run chmod go-w {path}"
        raise FactSourceError(Status.UNREACHABLE.value, words)
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _rows_of(data: bytes, path: Path) -> _Rows | FactSourceError:
    try:
        return dict(_rows(_document(data, path)))
    except FactSourceError as error:
        return FactSourceError(error.status, f"{path}: {error}")


def _malformed(detail: str) -> FactSourceError:
    return FactSourceError(Status.MALFORMED.value, detail)


def _document(data: bytes, path: Path) -> Json:
    if len(data) > MAX_FILE_BYTES:
        raise _malformed(f"larger than {MAX_FILE_BYTES:,} bytes")
    try:
        if path.suffix == ".json":
            return load_strict(data, max_bytes=MAX_FILE_BYTES, max_keys=MAX_KEYS)
        return _plain(toml_text.loads(data.decode()))
    except JsonError as error:
        raise _malformed(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _malformed(f"this is not TOML: {error}") from error


def _plain(value: object) -> Json:
    """TOML as JSON: instants and days as texts. A fraction in binary fits no fact."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[object]", value)]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _malformed(f"{value.isoformat()} has no time zone: write a Z after it")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | int | str):
        return value
    raise _malformed(f"`{value}` is neither a text, a whole number, a day nor yes or no")


def _rows(document: Json) -> dict[Key, Json]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _malformed(f"this is not of the format {FORMAT}")
    rows = document.get("row", [])
    if document.keys() - _HEAD or not isinstance(rows, list):
        raise _malformed(f"it has other members than {', '.join(sorted(_HEAD))}")
    found: dict[Key, Json] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or row.keys() - _ROW or "facts" not in row:
            raise _malformed(f"row {number} has other members than {', '.join(sorted(_ROW))}")
        named, tenant = row.get("id"), row.get("tenant")
        if not isinstance(named, str) or not isinstance(tenant, str | None):
            raise _malformed(f"row {number} has no `id`, or a `tenant` that is no text")
        key = Key(named, tenant)
        if key in found:
            raise _malformed(f"row {number} is about what another row is about")
        observed = {"observed_at": document["observed_at"]} if "observed_at" in document else {}
        found[key] = {"format": answer.FORMAT, **observed, **row}
    return found
