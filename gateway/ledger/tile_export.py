"""The log as files, which any web server can serve (C2SP tlog-tiles).

    checkpoint    tile/<L>/<N>    tile/entries/<N>

The checkpoint is written last, so what it signs is there. Writing again goes on where the last
time ended; another log, or another history of this one, is never written over.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from gateway.errors import LedgerError
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.note import MAX_NOTE, parse_note
from gateway.ledger.tile_paths import TilePath
from gateway.ledger.tiles import TileReader
from gateway.ledger.tree import TILE_HEIGHT, TILE_WIDTH

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Written:
    """What an export wrote: entries that its checkpoint covers, and files that are new."""

    size: int
    files: int


def write_tiles(
    reader: TileReader, folder: Path, *, told: Callable[[int, int], None] = lambda _done, _all: None
) -> Written:
    """Write the log as it is now into a folder.

    Args:
        told: How many tiles were looked at, of how many.

    Raises:
        LedgerError: The folder holds another log, or a checkpoint that this log does not
            extend; or see `TileReader`.
        OSError: The folder cannot be written.
    """
    size, note = reader.checkpoint()
    before = _before(reader, folder, parse_checkpoint(parse_note(note.encode())))
    paths = list(_paths(size, before))
    written = 0
    for number, path in enumerate(paths):
        place = folder / path.text
        if not place.exists():
            _write(place, reader.read(path))
            written += 1
        if path.width == TILE_WIDTH:
            # Who needs the tile as it was then takes the first hashes of the full one.
            rmtree(place.with_name(place.name + ".p"), ignore_errors=True)
        told(number + 1, len(paths))
    _write(folder / CHECKPOINT, note.encode())
    return Written(size, written)


def _before(reader: TileReader, folder: Path, now: Checkpoint) -> int:
    """The size of the tree in a folder, which this log must extend."""
    try:
        with (folder / CHECKPOINT).open("rb") as file:
            found = parse_checkpoint(parse_note(file.read(MAX_NOTE + 1)))
    except FileNotFoundError:
        return 0
    if found.origin != now.origin:
        raise LedgerError(f"{folder} holds the log {found.origin!r}, and this is {now.origin!r}")
    if found.size > now.size:
        raise LedgerError(
            f"{folder} holds {found.size} entries of this log, which has {now.size}: an older "
            "copy of the ledger was put back"
        )
    if reader.root(found.size) != found.root:
        raise LedgerError(f"{folder} holds another history of the log {now.origin!r}")
    return found.size


def _paths(size: int, before: int) -> Iterator[TilePath]:
    """The tiles of a tree that one of the size `before` did not have in full."""
    level, count, old = 0, size, before
    while count:
        for index in range(old // TILE_WIDTH, -(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            if level == 0:
                yield TilePath(None, index, width)
            yield TilePath(level, index, width)
        level, count, old = level + 1, count >> TILE_HEIGHT, old >> TILE_HEIGHT


def _write(place: Path, data: bytes) -> None:
    """Whoever reads it meanwhile sees all of it or what was there before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.part")
    beside.write_bytes(data)
    os.replace(beside, place)
