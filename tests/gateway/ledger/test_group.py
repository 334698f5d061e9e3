"""What is shared between the entries of a commit group changes no byte of what each is told."""

import hashlib
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import EntryConflictError, InclusionProofError, LedgerError
from gateway.ledger.entry import commit, entry_bytes, entry_leaf
from gateway.ledger.group import Group
from gateway.ledger.head import Receipt
from gateway.ledger.merkle import inclusion_path, leaf_hash, node_hash, right_edge
from gateway.ledger.pending import Pending, promise
from gateway.ledger.proof import path_lines, write_proof
from gateway.ledger.storage import StoredRecord
from tests.gateway.ledger.handed import Queue, answer, receipt
from tests.gateway.ledger.logs import open_log

LEAVES = [leaf_hash(b"%d" % number) for number in range(700)]


def nodes(level: int, index: int) -> bytes:
    hashes = LEAVES[index << level : (index + 1) << level]
    assert len(hashes) == 1 << level, "a node that is not complete is asked for"
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, len(LEAVES)), st.data())
def test_paths_that_are_written_together_are_those_of_each(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    count = data.draw(st.integers(1, min(size - first, 80)))
    edge = right_edge(size, nodes)
    lines = path_lines(first, count, size, nodes, edge)
    salt = commitment = bytes(32)
    assert len(lines) == count
    for index, written in enumerate(lines, first):
        path = inclusion_path(index, size, nodes)
        alone = {"index": index, "path": path, "checkpoint": "note"}
        text = write_proof(salt=salt, commitment=commitment, **alone)  # type: ignore[arg-type]
        assert text.split("\n")[3:-2] == written.decode().split("\n")[:-1]


@pytest.mark.parametrize(
    ("first", "count", "size"), [(0, 1, 0), (5, 1, 5), (3, 3, 5), (-1, 2, 5), (2, 0, 5)]
)
def test_paths_of_entries_that_the_tree_has_not_are_refused(
    first: int, count: int, size: int
) -> None:
    with pytest.raises(InclusionProofError):
        path_lines(first, count, size, nodes, right_edge(size, nodes))


def test_receipts_of_a_group_are_those_of_each_entry_alone(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        before = [(f"a-{number}", "t", b"%d" % number) for number in range(300)]
        group = [(f"b-{number}", "t", b"%d" % number) for number in range(77)]
        for one in log.append_all(before):
            one.result()
        together = [one.result() for one in log.append_all(group)]
        assert [log.proof(entry_id) for entry_id, _, _ in group] == [
            one.proof_text for one in together
        ]


@given(st.binary(max_size=9000))
@settings(max_examples=50, deadline=None)
def test_an_entry_is_hashed_as_is_written_down(body: bytes) -> None:
    salt = hashlib.sha256(body).digest()
    commitment = commit(salt, body)
    assert commitment == hashlib.sha256(salt + body).digest()
    text = f"charter-entry/v1\nsha256:{commitment.hex()}\n".encode()
    assert entry_bytes(commitment) == text
    assert entry_leaf(commitment) == hashlib.sha256(b"\0" + text).digest()


# --- what becomes of each ------------------------------------------------------------


def random(size: int) -> bytes:
    return hashlib.shake_128(b"salts").digest(size)


def group_of(known: dict[str, StoredRecord], *pending: Pending) -> Group:
    return Group(pending, known, size=7, random=random, logged_at="now")


def stored(entry_id: str, body: bytes, tenant: str = "t", index: int = 3) -> StoredRecord:
    return StoredRecord(index, entry_id, tenant, b"", b"", body, "then")


def settled(group: Group) -> None:
    for record in group.fresh:
        record.outcome = receipt(record.index)
    group.settle(lambda record: receipt(record.index))


def test_what_has_an_outcome_already_is_not_written() -> None:
    pending = Pending([("a", "t", b"1"), ("b", "t", b"2"), ("c", "t", b"3")])
    refused = LedgerError("the id of an entry has printable characters")
    pending.outcomes[1] = refused
    group = group_of({}, pending)
    assert [(one.id, one.index) for one in group.fresh] == [("a", 7), ("c", 8)]
    settled(group)
    assert pending.outcomes == [receipt(7), refused, receipt(8)]


def test_no_two_entries_of_a_group_share_a_salt() -> None:
    pending = [Pending([(f"{n}-{at}", "t", b"x") for at in range(3)]) for n in range(20)]
    group = group_of({}, *pending)
    assert len({one.salt for one in group.fresh}) == len({one.leaf_hash for one in group.fresh})
    assert {len(one.salt) for one in group.fresh} == {32}
    assert len(group.fresh) == 60


@pytest.mark.parametrize("missing", [1, 31, 32, 64])
def test_too_little_randomness_is_no_group(missing: int) -> None:
    pending = Pending([("a", "t", b"1"), ("b", "t", b"2")])
    with pytest.raises(ValueError, match="salt"):
        Group(
            [pending], {}, size=0, random=lambda size: bytes(size - missing), logged_at="now"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("tenant", "body", "conflicts"), [("t", b"1", False), ("t", b"2", True), ("u", b"1", True)]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_an_id_twice_is_one_entry_or_a_conflict(
    is_known: bool, tenant: str, body: bytes, conflicts: bool
) -> None:
    first, again = Pending([("a", "t", b"1")]), Pending([("a", tenant, body)])
    group = group_of({"a": stored("a", b"1")} if is_known else {}, first, again)
    assert len(group.fresh) == (0 if is_known else 1)
    settled(group)
    index = 3 if is_known else 7
    assert first.outcomes == [receipt(index)]
    if conflicts:
        assert isinstance(again.outcomes[0], EntryConflictError)
    else:
        assert again.outcomes == [receipt(index)]


# --- whoever waits -------------------------------------------------------------------


def promised(count: int) -> tuple[Pending, "list[Future[Receipt]]"]:
    queue = Queue()
    futures = promise(queue.hand_over, [(f"{n}", "t", b"x") for n in range(count)])
    return queue.taken[0], futures


def test_a_future_that_is_cancelled_takes_its_entry_out_and_no_other() -> None:
    pending, futures = promised(3)
    assert futures[1].cancel()
    assert pending.start()
    assert [entry[0] for entry in pending.entries] == ["0", "2"]
    assert not futures[0].cancel(), "it is being written"
    pending.outcomes = [receipt(0), LedgerError("no")]
    pending.tell()
    assert futures[0].result(0) == receipt(0)
    assert isinstance(futures[2].exception(0), LedgerError)
    assert futures[1].cancelled()


def test_what_is_cancelled_whole_is_not_started() -> None:
    pending, futures = promised(2)
    for one in futures:
        assert one.cancel()
    assert not pending.start()


@pytest.mark.parametrize("begin", ["start", "cancel"])
def test_either_it_is_started_or_it_is_cancelled(begin: str) -> None:
    pending = Pending([("a", "t", b"x")])
    assert getattr(pending, begin)()
    other = "cancel" if begin == "start" else "start"
    assert not getattr(pending, other)()


def test_who_fails_gives_its_error_only_to_what_has_no_outcome() -> None:
    pending, futures = promised(2)
    pending.outcomes[0] = receipt(0)
    assert pending.start()
    pending.end(LedgerError("the disk is full"))
    assert futures[0].result(0) == receipt(0)
    assert isinstance(futures[1].exception(0), LedgerError)


def test_nothing_at_all_is_never_handed_over() -> None:
    with pytest.raises(ValueError, match="one entry"):
        Pending([])
    queue = Queue()
    assert promise(queue.hand_over, []) == []
    assert queue.handed == []


def test_receipts_are_not_given_before_they_are_there() -> None:
    with pytest.raises(AssertionError):
        Pending([("a", "t", b"x")]).receipts()
    pending, futures = promised(1)
    answer(pending, receipt(0))
    assert pending.receipts() == [receipt(0)]
    assert futures[0].done()
