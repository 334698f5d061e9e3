"""Documents by their SHA-256, whatever their files are called."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigurationError

# The largest that a record names is a register of nodes.
MAX_DOCUMENT = 8 * 1024 * 1024
MAX_DOCUMENTS = 10_000
# What every tombstone has, and few others.
_TOMBSTONE = b'"erased"'


@dataclass(frozen=True)
class Documents:
    """Where documents are, by SHA-256 in hexadecimal; `tombstones` may say of some why they
    are not there."""

    paths: Mapping[str, Path] = field(default_factory=dict[str, Path])
    tombstones: tuple[Path, ...] = ()

    def find(self, sha256: str) -> bytes | None:
        """The bytes with that digest; None where they are not there, or not any more."""
        path = self.paths.get(sha256)
        data = None if path is None else _read(path)
        return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None

    def said(self) -> Iterator[bytes]:
        """What may be tombstones; nothing is verified."""
        for path in self.tombstones:
            data = _read(path)
            if data is not None:
                yield data


def read_documents(places: Iterable[Path]) -> Documents:
    """What is in files and in folders, with those below. What is larger than any document is
    passed over.

    Raises:
        ConfigurationError: One is not there or cannot be read, or there are too many.
    """
    paths: dict[str, Path] = {}
    tombstones: list[Path] = []
    for number, path in enumerate(one for place in places for one in _files(place)):
        if number >= MAX_DOCUMENTS:
            raise ConfigurationError(f"more than {MAX_DOCUMENTS:,} files: name those that matter")
        data = _read(path)
        if data is not None:
            paths.setdefault(hashlib.sha256(data).hexdigest(), path)
            if _TOMBSTONE in data:
                tombstones.append(path)
    return Documents(paths, tuple(tombstones))


def _files(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise ConfigurationError(f"{place}: there is no such file or folder")
    if not place.is_dir():
        yield place
        return
    for folder, below, names in os.walk(place):
        below.sort()
        yield from (Path(folder) / name for name in sorted(names))


def _read(path: Path) -> bytes | None:
    try:
        if not path.is_file():  # a device or a pipe has no end
            return None
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    return data if len(data) <= MAX_DOCUMENT else None
