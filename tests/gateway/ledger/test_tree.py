"""The right edge in memory and the tiles on disk give the nodes of the naive tree."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger import merkle
from gateway.ledger.tree import TILE_WIDTH, GrowingTree, Tile

Tiles = dict[tuple[int, int], bytes]


def leaf(index: int) -> bytes:
    return hashlib.sha256(b"%d" % index).digest()


def no_tile(level: int, index: int) -> bytes:
    raise AssertionError(f"tile {index} of level {level} is asked for too early")


def keep(tiles: Tiles, filled: list[Tile]) -> None:
    for tile in filled:
        assert (tile.level, tile.index) not in tiles
        assert len(tile.hashes) == TILE_WIDTH * 32
        tiles[tile.level, tile.index] = tile.hashes


def naive_levels(size: int) -> list[list[bytes]]:
    """All complete nodes, level by level."""
    levels = [[leaf(index) for index in range(size)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = range(0, len(below) - 1, 2)
        levels.append([merkle.node_hash(below[i], below[i + 1]) for i in pairs])
    return levels


def grown(size: int, group: int) -> tuple[GrowingTree, Tiles]:
    """A tree that grew in groups and forgot its tiles in between, as the writer does."""
    tree, tiles = GrowingTree.restore(0, no_tile, []), Tiles()
    for first in range(0, size, group):
        tree.forget_full_tiles()
        for index in range(first, min(first + group, size)):
            keep(tiles, tree.append(leaf(index)))
    return tree, tiles


BIG = TILE_WIDTH * TILE_WIDTH + TILE_WIDTH + 3
LEVELS = naive_levels(BIG)


@pytest.fixture(scope="module")
def big() -> tuple[GrowingTree, Tiles]:
    return grown(BIG, 512)


def test_a_tree_beyond_two_tile_levels_has_all_its_nodes(big: tuple[GrowingTree, Tiles]) -> None:
    tree, tiles = big
    assert sorted(tiles) == [*((0, i) for i in range(257)), (1, 0)]
    nodes = tree.view().nodes(lambda level, index: tiles[level, index])
    for level, hashes in enumerate(LEVELS):
        step = max(1, len(hashes) // 40)
        for index in {*range(0, len(hashes), step), len(hashes) - 1}:
            assert nodes(level, index) == hashes[index], (level, index)


def test_a_restored_tree_is_the_one_that_was_left(big: tuple[GrowingTree, Tiles]) -> None:
    tree, tiles = big
    first = BIG - BIG % TILE_WIDTH
    last_leaves = [leaf(index) for index in range(first, BIG)]
    restored = GrowingTree.restore(BIG, lambda level, index: tiles[level, index], last_leaves)
    for size in range(BIG, BIG + 300):
        assert merkle.tree_root(
            size, restored.view().nodes(lambda level, index: tiles[level, index])
        ) == merkle.tree_root(size, tree.view().nodes(lambda level, index: tiles[level, index]))
        tree_full, restored_full = tree.append(leaf(size)), restored.append(leaf(size))
        assert tree_full == restored_full
        keep(tiles, tree_full)


@settings(max_examples=60)
@given(st.integers(0, 1100), st.integers(1, 600), st.data())
def test_any_size_reached_in_any_groups_has_the_naive_root(
    size: int, group: int, data: st.DataObject
) -> None:
    tree, tiles = grown(size, group)
    nodes = tree.view().nodes(lambda level, index: tiles[level, index])
    expected = merkle.tree_root(size, lambda level, index: LEVELS[level][index])
    assert merkle.tree_root(size, nodes) == expected
    if size:
        index = data.draw(st.integers(0, size - 1))
        path = merkle.inclusion_path(index, size, nodes)
        merkle.verify_inclusion(
            index=index, tree_size=size, leaf=leaf(index), path=path, root=expected
        )


@settings(max_examples=60)
@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 300))
def test_appends_that_were_undone_leave_nothing_behind(size: int, undone: int, after: int) -> None:
    tree, tiles = grown(size, 512)
    tree.forget_full_tiles()
    view = tree.view()
    for index in range(undone):
        tree.append(leaf(-index))
    tree.cut_back(size)
    for index in range(size, size + after):
        keep(tiles, tree.append(leaf(index)))
    for one, reached in ((view, size), (tree.view(), size + after)):
        nodes = one.nodes(lambda level, index: tiles[level, index])
        expected = merkle.tree_root(reached, lambda level, index: LEVELS[level][index])
        assert merkle.tree_root(reached, nodes) == expected


def test_a_view_stays_true_while_the_tree_grows() -> None:
    tree, tiles = GrowingTree.restore(0, no_tile, []), Tiles()
    views = [tree.view()]
    for index in range(1100):
        if index % 100 == 0:
            tree.forget_full_tiles()
        keep(tiles, tree.append(leaf(index)))
        views.append(tree.view())
    for older, newer in pairwise(views[::90]):
        nodes = newer.nodes(lambda level, index: tiles[level, index])
        root = merkle.tree_root(older.size, older.nodes(lambda level, index: tiles[level, index]))
        assert root == merkle.tree_root(older.size, nodes)


def test_a_fresh_entry_is_proven_without_reading_a_tile() -> None:
    tree = GrowingTree.restore(0, no_tile, [])
    for first in range(0, 70_000, 512):
        tree.forget_full_tiles()
        for index in range(first, first + 512):
            tree.append(leaf(index))
        nodes = tree.view().nodes(no_tile)
        edge = merkle.right_edge(tree.size, nodes)
        for index in (first, first + 255, first + 256, first + 511):
            merkle.inclusion_path(index, tree.size, nodes, edge)
