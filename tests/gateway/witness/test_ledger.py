"""A ledger that is cosigned: in the background, or before anything leaves it."""

import threading
import time
from argparse import Namespace
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.witnessing import Witnessing
from gateway.errors import EntryConflictError, LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointKey
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.cosignature import verify_cosignatures
from gateway.ledger.ended import end_log
from gateway.ledger.head import Receipt
from gateway.ledger.interface import Ledger
from gateway.ledger.note import parse_note
from gateway.ledger.pending import Pending, promise
from gateway.ledger.proof import parse_proof, verify_proof
from gateway.ledger.shards import with_older
from gateway.witness.collect import Collector
from gateway.witness.kept import FILE, Kept
from gateway.witness.ledger import WitnessedLedger
from gateway.witness.newest import Newest
from gateway.witness.required import Below, RequiredLedger
from tests.gateway.ledger.handed import Queue, answer
from tests.gateway.ledger.logs import KEY, ORIGIN, append, body_of, open_log
from tests.gateway.witness.histories import LOGS, Clock, Made
from tests.gateway.witness.hosts import LOOPBACK, Hosts, hosts, read
from tests.gateway.witness.test_collect import now

TIMEOUT_S = 1.0


@pytest.fixture
def two(tmp_path: Path) -> Generator[Hosts]:
    mades = [Made(tmp_path / n, LOGS, Clock(now()), f"witness.example/{n}") for n in ("w1", "w2")]
    with hosts(tmp_path, mades) as served:
        yield served
    for made in mades:
        made.store.close()


@contextmanager
def cosigned(
    folder: Path, served: Hosts, kind: Callable[..., Any], quorum: int = 2, interval_s: float = 0.05
) -> Generator[Any]:
    log = open_log(folder)
    policy = served.policy(quorum)
    kept = Kept(folder)
    found = kept.read(policy, log, log.latest_checkpoint(), KEY.public, print)
    collector = Collector(policy, log, served.exchange(TIMEOUT_S), clock=now, timeout_s=TIMEOUT_S)
    ledger = kind(log, collector, Newest(policy, found), kept, interval_s=interval_s, clock=now)
    ledger.start()
    try:
        yield ledger
    finally:
        ledger.close()


def check(served: Hosts, entry_id: str, proof: str, quorum: int = 2) -> int:
    """That a proof holds, and is of a checkpoint that so many cosigned; its size."""
    place = verify_proof(body_of(entry_id), proof, KEY.public, origin=ORIGIN)
    note = parse_note(parse_proof(proof).checkpoint.encode())
    verify_cosignatures(note, [host.made.key for host in served.hosts], quorum=quorum)
    return place.checkpoint.size


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.02)


def names(count: int, prefix: str = "e") -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


# --- in the background ---------------------------------------------------------------


def test_later_proofs_are_against_the_newest_cosigned_checkpoint(
    tmp_path: Path, two: Hosts
) -> None:
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        first = append(ledger, *names(5))
        until(lambda: read(ledger.witnessed())["size"] == 5)
        for host in two.hosts:
            host.manner = "broken"
        append(ledger, *names(300, "f"))
        assert check(two, "e0", first[0].proof_text, quorum=0) == 5
        for entry in names(5):
            assert check(two, entry, ledger.proof(entry)) == 5
        # Of those there is no cosignature yet, and the proof says so by having none.
        assert check(two, "f7", ledger.proof("f7"), quorum=0) == 305
        said = read(ledger.witnessed())
        assert (said["mode"], said["size"], said["behind"]) == ("background", 5, 300)
        until(lambda: read(ledger.witnessed())["late"])
        for host in two.hosts:
            host.manner = "honest"
        until(lambda: read(ledger.witnessed())["size"] == 305)
        assert not read(ledger.witnessed())["late"]
        for entry in ("e0", "f0", "f299"):
            assert check(two, entry, ledger.proof(entry)) == 305
        note = parse_note(ledger.latest_checkpoint().encode())
        assert verify_cosignatures(note, [host.made.key for host in two.hosts], quorum=2)


def test_fewer_than_a_quorum_are_carried_and_are_told_to_be_too_few(
    tmp_path: Path, two: Hosts
) -> None:
    two[1].manner = "broken"
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        append(ledger, *names(3))
        until(lambda: check_one(ledger, two) == 1)
        said = read(ledger.witnessed())
        assert (said["size"], said["behind"], said["age_s"]) == (0, 3, None)
        assert said["witnesses"]["w1"]["size"] == 3
        assert said["failures"]["w2"]["refused"] >= 1
    assert not (tmp_path / "log" / FILE).exists()


def check_one(ledger: Ledger, served: Hosts) -> int:
    proof = ledger.proof("e1")
    assert proof is not None
    note = parse_note(parse_proof(proof).checkpoint.encode())
    return len(verify_cosignatures(note, [host.made.key for host in served.hosts], quorum=0))


def test_what_was_cosigned_is_known_after_a_start(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        append(ledger, *names(3))
        until(lambda: read(ledger.witnessed())["size"] == 3)
    for host in two.hosts:
        host.manner = "broken"
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        assert check(two, "e2", ledger.proof("e2")) == 3


@pytest.mark.parametrize("damage", ["flip", "empty", "binary", "another log", "one line gone"])
def test_a_file_that_is_damaged_counts_as_none(tmp_path: Path, two: Hosts, damage: str) -> None:
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        append(ledger, *names(3))
        until(lambda: read(ledger.witnessed())["size"] == 3)
    path = tmp_path / "log" / FILE
    data = path.read_bytes()
    changed = {
        "flip": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        "empty": b"",
        "binary": b"\xff\xfe" * 40,
        "another log": data.replace(ORIGIN.encode(), b"x" * len(ORIGIN)),
        "one line gone": data[: data.rindex("\u2014".encode())],
    }
    path.write_bytes(changed[damage])
    log = open_log(tmp_path / "log")
    said: list[str] = []
    newest = log.latest_checkpoint()
    found = Kept(tmp_path / "log").read(two.policy(2), log, newest, KEY.public, said.append)
    assert (found, len(said)) == (None, 1)
    log.close()


def test_a_ledger_older_than_what_was_cosigned_is_not_opened(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, WitnessedLedger) as ledger:
        append(ledger, *names(3))
        until(lambda: read(ledger.witnessed())["size"] == 3)
    for folder, entries in (("older", 2), ("other", 3), ("longer", 5)):
        log = open_log(tmp_path / folder)
        append(log, *names(entries, "x"))
        (tmp_path / folder / FILE).write_bytes((tmp_path / "log" / FILE).read_bytes())
        with pytest.raises(LedgerError, match="old copy"):
            Kept(tmp_path / folder).read(
                two.policy(2), log, log.latest_checkpoint(), KEY.public, print
            )
        log.close()


def test_a_log_that_has_ended_is_cosigned_to_its_end(tmp_path: Path, two: Hosts) -> None:
    with open_log(tmp_path / "state" / "shards" / "1" / "ledger") as log:
        append(log, *names(5))
    folder = tmp_path / "state" / "shards" / "1"
    end_log(folder / "ledger", "next.example")
    (folder / "vkey").write_text(KEY.public.vkey)
    policy = tmp_path / "policy"
    policy.write_text(two.text(2))
    settings = {
        "witness_mode": "required", "witness_policy": policy, "witness_interval": 1,
        "witness_ms": 600, "witness_ca": two.ca_file, "witness_networks": list(LOOPBACK),
    }  # fmt: skip
    witnessing = Witnessing.of(Namespace(**settings))
    assert witnessing is not None
    newest = open_log(tmp_path / "newest")
    ledger = with_older(newest, tmp_path / "state", witnessing.over_ended)
    try:
        until(lambda: check_one(ledger, two) == 2)
        assert check(two, "e4", str(ledger.proof("e4"))) == 5
        assert ledger.get("e4") is not None
    finally:
        ledger.close()
    elsewhere = CheckpointKey.generate("another.example").public
    policy.write_text(f"log {elsewhere.vkey}\n{two.text(2)}")
    witnessing = Witnessing.of(Namespace(**settings))
    assert witnessing is not None
    with open_log(tmp_path / "newest") as log:
        assert witnessing.over_ended(log, tmp_path / "newest", KEY.public) is log


# --- required ------------------------------------------------------------------------


def test_every_answer_is_cosigned_by_a_quorum(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        for number in range(3):
            (receipt,) = append(ledger, f"a{number}")
            assert check(two, f"a{number}", receipt.proof_text) == receipt.tree_size == number + 1
        assert check(two, "a0", ledger.proof("a0")) == 3


def test_those_who_come_meanwhile_share_a_checkpoint(tmp_path: Path, two: Hosts) -> None:
    two[0].manner = "slow"
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        answers: list[Future[Receipt]] = []
        for entry in names(60):
            answers.append(ledger.append(entry, "clinic-a", body_of(entry)))
            time.sleep(0.002)
        receipts = [answer.result(5) for answer in answers]
        for entry, receipt in zip(names(60), receipts, strict=True):
            assert check(two, entry, receipt.proof_text) == receipt.tree_size
        assert len({receipt.tree_size for receipt in receipts}) <= 4
        assert len(two[0].asked) <= 6


@pytest.mark.parametrize(
    "manner", ["silent", "wrong signature", "wrong key", "replayed", "older", "far ahead", "broken"]
)
def test_without_a_quorum_nothing_leaves_the_ledger(
    tmp_path: Path, two: Hosts, manner: str
) -> None:
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        append(ledger, "before")
        two[1].manner = manner
        with pytest.raises(LedgerUnavailableError):
            append(ledger, "meanwhile")
        size = ledger.size
        assert ledger.refusal() is not None
        began = time.monotonic()
        with pytest.raises(LedgerUnavailableError):
            append(ledger, "refused at once")
        assert time.monotonic() - began < TIMEOUT_S / 2
        assert ledger.size == size, "what will not be answered is not recorded"
        with pytest.raises(LedgerUnavailableError):
            ledger.proof("meanwhile")
        assert check(two, "before", ledger.proof("before")) == 1


def test_it_answers_again_once_there_is_a_quorum(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        two[1].manner = "broken"
        with pytest.raises(LedgerUnavailableError):
            append(ledger, "meanwhile")
        two[1].manner = "honest"
        until(lambda: ledger.refusal() is None)
        # The entry is there, as for any append that was not answered.
        (receipt,) = append(ledger, "meanwhile")
        assert check(two, "meanwhile", receipt.proof_text) == receipt.tree_size
        assert receipt.index == 0


def test_a_refusal_of_the_log_itself_is_handed_on(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        append(ledger, "a")
        with pytest.raises(EntryConflictError):
            ledger.append("a", "clinic-a", b"another body").result(5)
        with pytest.raises(LedgerError):
            ledger.append("", "clinic-a", b"x").result(5)
        assert ledger.proof("nothing") is None
        assert ledger.get("a").body == body_of("a")
        append(ledger, "b")


def test_whoever_waits_when_it_closes_is_answered(tmp_path: Path, two: Hosts) -> None:
    two[0].manner = "slow"
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        waiting = [ledger.append(one, "clinic-a", body_of(one)) for one in names(20)]
        closing = threading.Thread(target=ledger.close)
        closing.start()
        for entry, answer in zip(names(20), waiting, strict=True):
            check(two, entry, answer.result(5).proof_text)
        closing.join(5)
        assert not closing.is_alive()
        with pytest.raises(LedgerUnavailableError):
            ledger.append("late", "clinic-a", b"x").result(5)


def test_who_gives_up_waiting_disturbs_nobody(tmp_path: Path, two: Hosts) -> None:
    two[0].manner = "slow"
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        answers = [ledger.append(one, "clinic-a", body_of(one)) for one in names(10)]
        answers[3].cancel()
        for number in (0, 1, 2, 4, 9):
            check(two, f"e{number}", answers[number].result(5).proof_text)


REFUSED = LedgerError("no")
RECEIPT = Receipt(0, 1, b"", "", "")


@pytest.mark.parametrize(
    ("outcomes", "is_held"),
    [([RECEIPT], True), ([REFUSED, RECEIPT], True), ([REFUSED], False), ([REFUSED] * 2, False)],
)
def test_what_the_log_refuses_whole_does_not_wait_for_witnesses(
    outcomes: list[Receipt | LedgerError], is_held: bool
) -> None:
    queue, held = Queue(), list[Pending | None]()
    futures = promise(queue.hand_over, [(one, "t", b"x") for one in names(len(outcomes))])
    (upper,) = queue.taken
    answer(Below(upper, held.append), *outcomes)
    assert held == [upper if is_held else None]
    assert [one.done() for one in futures] == [not is_held] * len(outcomes)


def test_what_nobody_waits_for_any_more_is_not_held() -> None:
    queue, held = Queue(), list[Pending | None]()
    for future in promise(queue.hand_over, [("e", "t", b"x")]):
        assert future.cancel()
    assert not Below(queue.taken[0], held.append).start()
    assert held == [None]


def test_after_a_start_old_proofs_need_no_witness(tmp_path: Path, two: Hosts) -> None:
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        append(ledger, *names(3))
    for host in two.hosts:
        host.manner = "broken"
    with cosigned(tmp_path / "log", two, RequiredLedger) as ledger:
        assert check(two, "e0", ledger.proof("e0")) == 3
        with pytest.raises(LedgerUnavailableError):
            append(ledger, "f")


def test_one_of_two_is_enough_where_the_policy_says_so(tmp_path: Path, two: Hosts) -> None:
    two[1].manner = "silent"
    with cosigned(tmp_path / "log", two, RequiredLedger, quorum=1) as ledger:
        began = time.monotonic()
        (receipt,) = append(ledger, "a")
        assert time.monotonic() - began < TIMEOUT_S
        assert check(two, "a", receipt.proof_text, quorum=1) == 1
        checkpoint = parse_checkpoint(parse_note(ledger.latest_checkpoint().encode()))
        assert checkpoint.size == 1
