"""Tiles beside the writer: those of the naive tree, of every size that was signed, and no more."""

import shutil
import sqlite3
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import LedgerError
from gateway.keys import CheckpointKey
from gateway.ledger import storage
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.merkle import consistency_path, inclusion_path, leaf_hash, verify_inclusion
from gateway.ledger.note import parse_note
from gateway.ledger.tile_export import write_tiles
from gateway.ledger.tile_paths import TilePath, parse_tile_path
from gateway.ledger.tiles import TileMissingError, TileReader
from gateway.verify import Trust
from gateway.verify.entries import verify_log
from gateway.verify.refused import EntriesError
from tests.gateway.ledger.logs import KEY, ORIGIN, append, append_many, open_log, tamper
from tests.gateway.ledger.test_tree import BIG, LEVELS, grown, leaf

SIZE = 600
TRUST = Trust(ORIGIN, KEY.public, {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger of 600 entries."""
    folder = tmp_path_factory.mktemp("made") / "ledger"
    with open_log(folder) as log:
        append_many(log, 0, SIZE)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "ledger")
    return tmp_path / "ledger"


@pytest.fixture
def reader(folder: Path) -> Generator[TileReader]:
    with TileReader.open(folder) as opened:
        yield opened


def entries(bundle: bytes) -> list[bytes]:
    found: list[bytes] = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        found.append(bundle[2:end])
        bundle = bundle[end:]
    return found


# --- what is there -------------------------------------------------------------------


def test_bundles_hash_to_tiles_and_tiles_to_the_signed_root(reader: TileReader) -> None:
    leaves: list[bytes] = []
    for index, width in ((0, 256), (1, 256), (2, 88)):
        found = entries(reader.bundle(index, width))
        assert len(found) == width
        assert b"".join(map(leaf_hash, found)) == reader.hashes(0, index, width)
        leaves += map(leaf_hash, found)
    checkpoint = parse_checkpoint(parse_note(reader.checkpoint()[1].encode()))
    assert (checkpoint.size, checkpoint.root) == (SIZE, reader.root(SIZE))
    assert reader.hashes(1, 0, 2) == reader.node(8, 0) + reader.node(8, 1)
    path = inclusion_path(300, SIZE, reader.node)
    verify_inclusion(index=300, tree_size=SIZE, leaf=leaves[300], path=path, root=checkpoint.root)


@pytest.mark.parametrize(
    "text",
    [
        "tile/0/003", "tile/0/002", "tile/0/002.p/89", "tile/0/003.p/1", "tile/1/000",
        "tile/1/000.p/3", "tile/1/001.p/1", "tile/2/000.p/1", "tile/7/000.p/1",
        "tile/entries/002", "tile/entries/002.p/89", "tile/entries/003.p/1",
        "tile/0/" + "x999/" * 6 + "999", "tile/entries/" + "x999/" * 6 + "999",
    ],
)  # fmt: skip
def test_a_tile_that_no_signed_tree_has_is_not_there(reader: TileReader, text: str) -> None:
    with pytest.raises(TileMissingError):
        reader.read(parse_tile_path(text))


@pytest.mark.parametrize("width", [0, -1, 257])
def test_a_width_that_no_tile_has_is_not_there(reader: TileReader, width: int) -> None:
    for read in (lambda: reader.hashes(0, 0, width), lambda: reader.bundle(0, width)):
        with pytest.raises(TileMissingError):
            read()


def test_a_tile_that_was_in_part_stays_there_when_it_is_full(reader: TileReader) -> None:
    assert reader.hashes(0, 0, 7) == reader.hashes(0, 0)[: 7 * 32]
    assert entries(reader.bundle(0, 7)) == entries(reader.bundle(0))[:7]


def test_every_older_tree_has_its_root_and_extends_to_the_newest(folder: Path) -> None:
    with TileReader.open(folder) as reader, open_log(folder) as log:
        for size in (1, 2, 255, 256, 257, 511, 512, 513, 599, 600):
            assert consistency_path(size, SIZE, reader.node) == log.consistency(size, SIZE)
        with pytest.raises(TileMissingError):
            reader.root(SIZE + 1)


def test_an_empty_log_has_a_checkpoint_and_no_tile(tmp_path: Path) -> None:
    with open_log(tmp_path):
        pass
    with TileReader.open(tmp_path) as reader:
        assert reader.checkpoint()[0] == 0
        for path in (TilePath(0, 0, 1), TilePath(None, 0, 1), TilePath(1, 0, 1)):
            with pytest.raises(TileMissingError):
                reader.read(path)


def test_tiles_are_those_of_a_naive_tree_of_three_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    _, tiles = grown(BIG, 4096)

    def read_tile(_: object, level: int, index: int) -> bytes:
        return tiles[level, index]

    def read_leaves(_: object, first: int, count: int) -> list[bytes]:
        return [leaf(index) for index in range(first, min(first + count, BIG))]

    def latest(_: object) -> tuple[int, str]:
        return BIG, ""

    def as_it_is(commitment: bytes) -> bytes:
        return commitment

    monkeypatch.setattr(storage, "latest_checkpoint", latest)
    monkeypatch.setattr(storage, "read_tile", read_tile)
    monkeypatch.setattr(storage, "read_commitments", read_leaves)
    monkeypatch.setattr("gateway.ledger.tiles.entry_leaf", as_it_is)
    reader = TileReader(sqlite3.connect(":memory:"))
    for level in (0, 1, 2):
        nodes = LEVELS[8 * level]
        for first in range(0, len(nodes), 256):
            here = nodes[first : first + 256]
            assert reader.hashes(level, first // 256, len(here)) == b"".join(here)
    for level, nodes in enumerate(LEVELS):
        assert reader.node(level, len(nodes) - 1) == nodes[-1]


# --- beside the writer ---------------------------------------------------------------


def test_tiles_grow_with_the_log_and_what_was_read_stays(folder: Path) -> None:
    with TileReader.open(folder) as reader, open_log(folder) as log:
        before = reader.hashes(0, 2, 88)
        append_many(log, SIZE, 800)
        assert reader.checkpoint()[1] == log.latest_checkpoint()
        assert reader.hashes(0, 2)[: 88 * 32] == before
        assert reader.hashes(0, 3, 32)[:32] == reader.node(0, 768)
        assert reader.hashes(1, 0, 3)[64:] == reader.node(8, 2)


def test_readers_in_many_threads_never_see_more_than_is_signed(folder: Path) -> None:
    stop, wrong = threading.Event(), list[str]()

    def read(reader: TileReader) -> None:
        while not stop.is_set():
            size, note = reader.checkpoint()
            if reader.root(size) != parse_checkpoint(parse_note(note.encode())).root:
                wrong.append(f"root of {size}")

    with TileReader.open(folder) as reader, open_log(folder) as log:
        threads = [threading.Thread(target=read, args=[reader]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(SIZE, SIZE + 30):
            append(log, f"entry-{number}")
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_reader_writes_nothing(reader: TileReader) -> None:
    connection: Any = vars(reader)["_connection"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM tile")


# --- damage --------------------------------------------------------------------------


def test_no_ledger_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        TileReader.open(tmp_path / "nothing")
    (tmp_path / storage.DATABASE).write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError):
        TileReader.open(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [storage.DATABASE]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tile WHERE level = 0 AND idx = 1",
        "UPDATE tile SET hashes = x'00' WHERE idx = 1",
    ],
)
def test_a_tile_that_is_gone_or_short_is_told_and_not_served(folder: Path, statement: str) -> None:
    tamper(folder, statement)
    with TileReader.open(folder) as reader:
        with pytest.raises(LedgerError, match="damaged"):
            reader.hashes(0, 1)
        with pytest.raises(LedgerError, match="damaged"):
            reader.root(SIZE)


def test_a_closed_reader_answers_nothing(folder: Path) -> None:
    reader = TileReader.open(folder)
    reader.close()
    with pytest.raises(LedgerError):
        reader.checkpoint()


# --- as files ------------------------------------------------------------------------


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


EXPECTED = {
    "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
    "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
}  # fmt: skip


def test_an_export_is_the_layout_of_the_specification_and_verifies(
    reader: TileReader, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []

    def told(done: int, of: int) -> None:
        seen.append((done, of))

    done = write_tiles(reader, tmp_path / "www", told=told)
    assert (done.size, done.files) == (SIZE, 7)
    assert files(tmp_path / "www") == EXPECTED
    assert seen == [(number, 7) for number in range(1, 8)]
    verified = verify_log(tmp_path / "www", TRUST)
    assert (verified.checkpoint.size, verified.tiles) == (SIZE, 3)


def test_an_export_goes_on_and_writes_only_what_is_new(
    folder: Path, reader: TileReader, tmp_path: Path
) -> None:
    www = tmp_path / "www"
    write_tiles(reader, www)
    old = {name: (www / name).stat().st_mtime_ns for name in ("tile/0/000", "tile/entries/001")}
    with open_log(folder) as log:
        append_many(log, SIZE, 770)
    done = write_tiles(reader, www)
    assert done.size == 770
    assert {name: (www / name).stat().st_mtime_ns for name in old} == old
    assert files(www) == {
        "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003.p/2",
        "tile/1/000.p/2", "tile/1/000.p/3",
        "tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003.p/2",
    }  # fmt: skip
    assert done.files == 5
    assert verify_log(www, TRUST).checkpoint.size == 770
    assert write_tiles(reader, www).files == 0


def test_an_export_that_was_cut_off_is_continued(reader: TileReader, tmp_path: Path) -> None:
    def cut(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tiles(reader, tmp_path / "www", told=cut)
    assert "checkpoint" not in files(tmp_path / "www")
    write_tiles(reader, tmp_path / "www")
    assert files(tmp_path / "www") == EXPECTED


def other(folder: Path, log: Any, count: int) -> TileReader:
    """A reader of another ledger, with other entries."""
    with log as opened:
        append(opened, *(f"other-{number}" for number in range(count)))
    return TileReader.open(folder)


def test_an_export_over_another_log_history_or_newer_copy_is_refused(
    folder: Path, reader: TileReader, tmp_path: Path
) -> None:
    www = tmp_path / "www"
    write_tiles(reader, www)
    before = {name: (www / name).read_bytes() for name in files(www)}
    key = CheckpointKey.generate("ledger.example/us")
    cases = {
        "older copy": other(tmp_path / "a", open_log(tmp_path / "a"), 599),
        "another history": other(tmp_path / "b", open_log(tmp_path / "b"), 601),
        "holds the log": other(
            tmp_path / "c",
            open_log(tmp_path / "c", origin="ledger.example/us", signer=key),
            700,
        ),
    }
    for words, wrong in cases.items():
        with wrong, pytest.raises(LedgerError, match=words):
            write_tiles(wrong, www)
    assert {name: (www / name).read_bytes() for name in files(www)} == before


def test_one_bit_of_an_exported_file_is_found(reader: TileReader, tmp_path: Path) -> None:
    www = tmp_path / "www"
    write_tiles(reader, www)
    for name in ("tile/entries/001", "tile/0/002.p/88"):
        data = (www / name).read_bytes()
        (www / name).write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
        with pytest.raises(EntriesError):
            verify_log(www, TRUST)
        (www / name).write_bytes(data)
