"""Timestamps that were got, beside the checkpoints that they are over.

    timestamps/<size>.checkpoint    the signed note
    timestamps/<size>.tsr           the response of the authority (RFC 3161)

Both are public. The response is written last, so that what is listed is whole.
"""

import os
import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError, LedgerUnavailableError

FOLDER = "timestamps"
_RESPONSE = re.compile(r"(0|[1-9][0-9]{0,18})\.tsr", re.ASCII)
_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stamp:
    """A checkpoint of the tree of `size` entries, and the response over its bytes."""

    size: int
    checkpoint: bytes
    response: bytes


class Stamps:
    """The folder; one process writes it, any may read."""

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER

    def sizes(self) -> list[int]:
        """The sizes of trees that were stamped, the smallest first."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LedgerUnavailableError(f"{self.folder}: {error.strerror}") from error
        found = (_RESPONSE.fullmatch(name) for name in names)
        return sorted(int(one[1]) for one in found if one is not None)

    def first_of(self, size: int) -> Stamp | None:
        """The first stamp over a tree that has at least so many entries: what bounds them
        best.

        Raises:
            LedgerUnavailableError: It cannot be read.
        """
        sizes = self.sizes()
        at = bisect_left(sizes, size)
        return self._read(sizes[at]) if at < len(sizes) else None

    def newest_at(self) -> float | None:
        """When the newest stamp was got, in seconds since 1970."""
        sizes = self.sizes()
        if not sizes:
            return None
        try:
            return (self.folder / f"{sizes[-1]}.tsr").stat().st_mtime
        except OSError:
            return None

    def keep(self, stamp: Stamp) -> None:
        """On disk when this returns.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._write(f"{stamp.size}.checkpoint", stamp.checkpoint)
            self._write(f"{stamp.size}.tsr", stamp.response)
        except OSError as error:
            raise ConfigurationError(f"{self.folder}: {error.strerror}") from error

    def _read(self, size: int) -> Stamp:
        try:
            checkpoint, response = (
                (self.folder / f"{size}.{kind}").read_bytes()[:_MAX]
                for kind in ("checkpoint", "tsr")
            )
        except OSError as error:
            raise LedgerUnavailableError(f"{self.folder}: {error.strerror}") from error
        return Stamp(size, checkpoint, response)

    def _write(self, name: str, data: bytes) -> None:
        beside = self.folder / f".{name}.part"
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.folder / name)
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
