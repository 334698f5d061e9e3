"""The hashing and the proofs of RFC 6962, against published cases and a naive definition."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ConsistencyProofError,
    ConsistencyRootError,
    InclusionPathEmptyError,
    InclusionPathError,
    InclusionProofError,
    InclusionRootError,
    LedgerError,
)
from gateway.ledger import merkle

SIZES = st.integers(1, 70)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    return 1 << ((n - 1).bit_length() - 1)


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"entry %d" % i) for i in range(size)]


def nodes_of(leaves: list[bytes]) -> merkle.Nodes:
    """Complete nodes only: asking for another one is a bug in the proof code."""

    def nodes(level: int, index: int) -> bytes:
        below = leaves[index << level : (index + 1) << level]
        assert len(below) == 1 << level, f"node ({level}, {index}) is not complete"
        return naive_root(below)

    return nodes


@given(st.integers(0, 70))
def test_root_is_the_naive_root(size: int) -> None:
    leaves = leaves_of(size)
    assert merkle.tree_root(size, nodes_of(leaves)) == naive_root(leaves)


@given(SIZES, st.data())
def test_inclusion_path_is_the_naive_path_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    path = merkle.inclusion_path(index, size, nodes_of(leaves))
    assert path == naive_path(index, leaves)
    merkle.verify_inclusion(
        index=index, tree_size=size, leaf=leaves[index], path=path, root=naive_root(leaves)
    )


@given(SIZES, st.data())
def test_consistency_path_is_the_naive_path_and_verifies(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    leaves = leaves_of(size)
    path = merkle.consistency_path(old, size, nodes_of(leaves))
    assert path == naive_subproof(old, leaves, True)
    merkle.verify_consistency(
        old_size=old,
        new_size=size,
        old_root=naive_root(leaves[:old]),
        new_root=naive_root(leaves),
        path=path,
    )


# --- published cases -----------------------------------------------------------------


def unpack(case: dict[str, Any], *names: str) -> list[bytes]:
    return [base64.b64decode(case[name]) for name in names]


def path_of(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(text) for text in cast("list[str]", case["proof"] or [])]


def has_verdict(check: Callable[[], None], case: dict[str, Any], error: type[LedgerError]) -> None:
    if case["wantErr"]:
        with pytest.raises(error):
            check()
    else:
        check()


def test_published_inclusion_cases_get_their_verdict(vectors: Path) -> None:
    cases = json.loads((vectors / "merkle" / "inclusion.json").read_text())
    assert len(cases) >= 60
    for case in cases:
        root, leaf = unpack(case, "root", "leafHash")
        has_verdict(
            lambda case=case, root=root, leaf=leaf: merkle.verify_inclusion(
                index=case["leafIdx"],
                tree_size=case["treeSize"],
                leaf=leaf,
                path=path_of(case),
                root=root,
            ),
            case,
            InclusionProofError,
        )


def test_published_consistency_cases_get_their_verdict(vectors: Path) -> None:
    cases = json.loads((vectors / "merkle" / "consistency.json").read_text())
    assert len(cases) >= 40
    for case in cases:
        old_root, new_root = unpack(case, "root1", "root2")
        has_verdict(
            lambda case=case, old_root=old_root, new_root=new_root: merkle.verify_consistency(
                old_size=case["size1"],
                new_size=case["size2"],
                old_root=old_root,
                new_root=new_root,
                path=path_of(case),
            ),
            case,
            ConsistencyProofError,
        )


# --- damage --------------------------------------------------------------------------

INDEX, SIZE = 5, 11
LEAVES = leaves_of(SIZE)
PATH = merkle.inclusion_path(INDEX, SIZE, nodes_of(LEAVES))
FLIPPED = bytes([PATH[0][0] ^ 1]) + PATH[0][1:]

DAMAGED_INCLUSION: dict[str, tuple[int, int, list[bytes], type[InclusionProofError]]] = {
    "path shortened": (INDEX, SIZE, PATH[:-1], InclusionPathError),
    "path lengthened": (INDEX, SIZE, [*PATH, PATH[0]], InclusionPathError),
    "path empty": (INDEX, SIZE, [], InclusionPathEmptyError),
    "path reordered": (INDEX, SIZE, [PATH[1], PATH[0], *PATH[2:]], InclusionRootError),
    "one bit of a hash flipped": (INDEX, SIZE, [FLIPPED, *PATH[1:]], InclusionRootError),
    "a hash cut short": (INDEX, SIZE, [PATH[0][:31], *PATH[1:]], InclusionProofError),
    "neighbouring index": (INDEX - 1, SIZE, PATH, InclusionRootError),
    "index at the right edge": (SIZE - 1, SIZE, PATH, InclusionPathError),
    "index beyond the tree": (SIZE, SIZE, PATH, InclusionProofError),
    "index negative": (-1, SIZE, PATH, InclusionProofError),
    "tree size far larger": (INDEX, 17, PATH, InclusionPathError),
    "tree of nothing": (0, 0, [], InclusionProofError),
}


INCLUSION_CODES = {
    InclusionProofError: "inclusion-proof",
    InclusionPathError: "inclusion-path",
    InclusionPathEmptyError: "inclusion-path-empty",
    InclusionRootError: "inclusion-root",
}


@pytest.mark.parametrize("name", DAMAGED_INCLUSION)
def test_damaged_inclusion_proof_is_refused(name: str) -> None:
    index, size, path, error = DAMAGED_INCLUSION[name]
    with pytest.raises(error) as caught:
        merkle.verify_inclusion(
            index=index, tree_size=size, leaf=LEAVES[INDEX], path=path, root=naive_root(LEAVES)
        )
    assert type(caught.value) is error
    assert caught.value.reason == INCLUSION_CODES[error]


OLD = 6
CONSISTENCY = merkle.consistency_path(OLD, SIZE, nodes_of(LEAVES))

DAMAGED_CONSISTENCY: dict[str, tuple[int, int, list[bytes], str]] = {
    "path empty": (OLD, SIZE, [], "path"),
    "path shortened": (OLD, SIZE, CONSISTENCY[:-1], "path"),
    "path lengthened": (OLD, SIZE, [*CONSISTENCY, CONSISTENCY[0]], "path"),
    "path reordered": (OLD, SIZE, CONSISTENCY[::-1], "root"),
    "a hash cut short": (OLD, SIZE, [CONSISTENCY[0][:31], *CONSISTENCY[1:]], "proof"),
    "from size 0": (0, SIZE, CONSISTENCY, "sizes"),
    "from size 0, path empty": (0, SIZE, [], "sizes"),
    "sizes swapped": (SIZE, OLD, CONSISTENCY, "sizes"),
    "old size wrong": (OLD + 1, SIZE, CONSISTENCY, "path"),
    "same size, another root": (SIZE, SIZE, [], "root"),
    "same size, path not empty": (SIZE, SIZE, CONSISTENCY, "path"),
}


@pytest.mark.parametrize("name", DAMAGED_CONSISTENCY)
def test_damaged_consistency_proof_is_refused(name: str) -> None:
    old_size, new_size, path, code = DAMAGED_CONSISTENCY[name]
    with pytest.raises(ConsistencyProofError) as caught:
        merkle.verify_consistency(
            old_size=old_size,
            new_size=new_size,
            old_root=naive_root(LEAVES[:OLD]),
            new_root=naive_root(LEAVES),
            path=path,
        )
    assert caught.value.reason == f"consistency-{code}"


def test_consistency_with_a_swapped_old_root_names_both_roots() -> None:
    with pytest.raises(ConsistencyRootError) as caught:
        merkle.verify_consistency(
            old_size=OLD,
            new_size=SIZE,
            old_root=naive_root(LEAVES),
            new_root=naive_root(LEAVES),
            path=CONSISTENCY,
        )
    assert caught.value.expected == naive_root(LEAVES)
    assert caught.value.calculated == naive_root(LEAVES[:OLD])


def test_a_leaf_never_hashes_like_a_node() -> None:
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"\x01" + left + right) != merkle.node_hash(left, right)
