"""The log's side: what witnesses are asked, and which of their answers are believed (F30)."""

import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ledger.note import parse_note
from gateway.witness.asking import CLOCK_LEEWAY_S, KINDS, read_cosignature
from gateway.witness.collect import Collector, lines_of
from gateway.witness.errors import NoCosignatureError
from gateway.witness.policy import parse_policy
from gateway.witness.protocol import write_request
from tests.gateway.witness.histories import LOGS, Clock, History, Made
from tests.gateway.witness.hosts import Host, Hosts, free_of_listeners, hosts

TIMEOUT_S = 2.0


def now() -> datetime:
    return datetime.now(UTC)


def witnesses(folder: Path, count: int) -> list[Made]:
    return [
        Made(folder / f"w{n}", LOGS, Clock(now()), f"witness.example/w{n}")
        for n in range(1, count + 1)
    ]


@pytest.fixture
def three(tmp_path: Path) -> Generator[Hosts]:
    mades = witnesses(tmp_path, 3)
    with hosts(tmp_path, mades) as served:
        yield served
    for made in mades:
        made.store.close()


def collector(served: Hosts, history: History, quorum: str | int = 2) -> Collector:
    return Collector(
        served.policy(quorum),
        history.log,
        served.exchange(TIMEOUT_S),
        clock=now,
        timeout_s=TIMEOUT_S,
    )


def test_all_witnesses_cosign_each_checkpoint(three: Hosts, history: History) -> None:
    asking = collector(three, history)
    for size in (1, 3, 8):
        found = asking.collect(history.notes[size])
        assert list(found.lines) and set(found.lines) == {"w1", "w2", "w3"}  # noqa: PT018
        for host in three.hosts:
            host.made.check(found.note, found.lines[host.name].text)
            assert host.made.size() == size
        assert lines_of(found.cosigned, list(asking.policy.witnesses.values())) == found
    assert asking.failures == {}
    # From the second one on, each is asked once, with the size that it knows.
    assert [one.split(b"\n")[0] for one in three[0].asked] == [b"old 0", b"old 1", b"old 3"]


def test_a_log_that_knows_nothing_of_its_witness_learns_its_size(
    three: Hosts, history: History
) -> None:
    collector(three, history).collect(history.notes[3])
    again = collector(three, history).collect(history.notes[8])
    assert set(again.lines) == {"w1", "w2", "w3"}
    assert [one.split(b"\n")[0] for one in three[1].asked] == [b"old 0", b"old 0", b"old 3"]


def test_what_is_there_is_not_asked_for_again(three: Hosts, history: History) -> None:
    asking = collector(three, history)
    three[2].manner = "broken"
    first = asking.collect(history.notes[8])
    three[2].manner = "honest"
    second = asking.collect(history.notes[8], first.lines)
    assert set(second.lines) == {"w1", "w2", "w3"}
    assert [len(host.asked) for host in three.hosts] == [1, 1, 2]


LYING = {
    "wrong signature": "wrong",
    "wrong key": "wrong",
    "replayed": "wrong",
    "older": "conflict",
    "far ahead": "ahead",
    "a conflict without a size": "malformed",
    "a conflict of two lines": "malformed",
    "a refusal": "refused",
    "a log that it does not know": "refused",
    "broken": "refused",
    "nothing": "malformed",
    "no line": "malformed",
    "control characters": "malformed",
    "a line of another": "wrong",
    "its line twice": "wrong",
    "very much": "malformed",
    "too much": "unreachable",
    "a redirect": "refused",
    "silent": "timeout",
}


def test_a_witness_that_lies_gives_no_cosignature_and_stops_no_other(
    three: Hosts, history: History
) -> None:
    asking = collector(three, history)
    asking.collect(history.notes[8])
    for size, (manner, kind) in enumerate(LYING.items(), 9):
        history.grow(size)
        asking.failures.clear()
        three[0].manner = manner
        began = time.monotonic()
        found = asking.collect(history.notes[size])
        assert time.monotonic() - began < 3 * TIMEOUT_S, manner
        assert set(found.lines) == {"w2", "w3"}, manner
        assert asking.failures == {"w1": {kind: 1}}, manner
        assert kind in KINDS
        three[0].manner = "honest"
        if manner != "silent":  # whose thread still waits
            again = asking.collect(history.notes[size], found.lines)
            assert set(again.lines) == {"w1", "w2", "w3"}, manner


def test_a_cosignature_of_another_log_is_none_of_this(
    three: Hosts, history: History, tmp_path: Path
) -> None:
    from gateway.keys import CheckpointKey

    key = CheckpointKey.generate("other.example")
    second = History.begin(tmp_path / "second", signer=key).grow(8)
    three[0].made.logs = {**LOGS, "other.example": (key.public,)}
    three[0].made.reopen()
    theirs = three[0].made.witness.add_checkpoint(second.request(0, 8)).line
    with pytest.raises(NoCosignatureError):
        read_cosignature(
            theirs.encode(),
            parse_note(history.notes[8].encode()),
            three.policy(2).witnesses["w1"],
            now=int(now().timestamp()),
        )
    second.log.close()


@pytest.mark.parametrize("seconds", [-CLOCK_LEEWAY_S - 60, CLOCK_LEEWAY_S + 60])
def test_a_cosignature_of_another_time_is_not_taken(
    three: Hosts, history: History, seconds: int
) -> None:
    three[0].made.clock.step(seconds)
    asking = collector(three, history)
    assert set(asking.collect(history.notes[8]).lines) == {"w2", "w3"}
    assert asking.failures == {"w1": {"wrong": 1}}


def test_a_quorum_does_not_wait_for_who_is_silent(three: Hosts, history: History) -> None:
    three[2].manner = "silent"
    asking = collector(three, history)
    began = time.monotonic()
    for size in (3, 8):
        found = asking.collect(history.notes[size], only_enough=True)
        assert set(found.lines) == {"w1", "w2"}
    assert time.monotonic() - began < TIMEOUT_S
    assert asking.failures == {}


def test_a_slow_witness_is_waited_for_while_there_is_no_quorum(
    three: Hosts, history: History
) -> None:
    three[0].manner = three[1].manner = "slow"
    three[2].manner = "broken"
    asking = collector(three, history)
    assert set(asking.collect(history.notes[8], only_enough=True).lines) == {"w1", "w2"}


def test_a_witness_that_was_slow_is_asked_again_once_it_has_answered(
    three: Hosts, history: History
) -> None:
    asking = collector(three, history, 1)
    three[1].manner = three[2].manner = "slow"
    assert set(asking.collect(history.notes[3], only_enough=True).lines) == {"w1"}
    three[0].manner = "broken"
    assert asking.collect(history.notes[8], only_enough=True).lines


def test_a_forked_log_finds_no_witness(three: Hosts, history: History, other: History) -> None:
    collector(three, history).collect(history.notes[5])
    asking = collector(three, other)
    assert asking.collect(other.notes[8]).lines == {}
    assert asking.failures == {f"w{n}": {"refused": 1} for n in (1, 2, 3)}


def test_a_log_that_was_put_back_is_told_that_it_is_behind(
    three: Hosts, history: History, tmp_path: Path
) -> None:
    collector(three, history).collect(history.notes[8])
    older = History.begin(tmp_path / "older").grow(3)
    asking = collector(three, older)
    assert asking.collect(older.notes[3]).lines == {}
    assert asking.failures == {f"w{n}": {"ahead": 1} for n in (1, 2, 3)}
    older.log.close()


def test_nobody_is_asked_beyond_the_networks_that_are_named(
    three: Hosts, history: History, tmp_path: Path
) -> None:
    from functools import partial

    from gateway.fetch import exchange, tls_context

    asking = Collector(
        three.policy(2),
        history.log,
        partial(exchange, context=tls_context(three.ca_file), timeout_s=TIMEOUT_S),
        clock=now,
        timeout_s=TIMEOUT_S,
    )
    assert asking.collect(history.notes[8]).lines == {}
    assert asking.failures == {f"w{n}": {"unreachable": 1} for n in (1, 2, 3)}
    assert [host.asked for host in three.hosts] == [[], [], []]


def test_a_witness_under_another_certificate_is_not_asked(
    three: Hosts, history: History, tmp_path: Path
) -> None:
    from tests.gateway.certificates import authority

    three.root = authority("another")
    asking = collector(three, history)
    assert asking.collect(history.notes[8]).lines == {}
    assert [host.asked for host in three.hosts] == [[], [], []]


def test_witnesses_that_are_gone_or_have_no_address_are_no_witnesses(
    three: Hosts, history: History
) -> None:
    text = three.text("w1").replace(str(three[1].port), str(free_of_listeners()))
    text = text.replace(f" https://localhost:{three[2].port}/w", "")
    asking = Collector(
        parse_policy(text.encode()),
        history.log,
        three.exchange(TIMEOUT_S),
        clock=now,
        timeout_s=TIMEOUT_S,
    )
    assert set(asking.collect(history.notes[8]).lines) == {"w1"}
    assert asking.failures == {"w2": {"unreachable": 1}}
    assert three[2].asked == []


def test_a_request_is_what_a_witness_reads(history: History, three: Hosts) -> None:
    host: Host = three[0]
    assert host.honest(write_request(0, [], history.notes[3]))[0] == 200


def test_the_cosignatures_of_a_public_log_make_the_quorum_of_a_policy(vectors: Path) -> None:
    folder = vectors / "c2sp-tlog" / "rekor2-cosigned"
    note = (folder / "checkpoint.txt").read_text()
    log, *keys = (folder / "vkeys.txt").read_text().splitlines()
    lines = [f"witness w{n} {key}\n" for n, key in enumerate(keys)]
    names = " ".join(f"w{n}" for n in range(len(keys)))
    policy = parse_policy(
        f"log {log}\n{''.join(lines)}group all all {names}\nquorum all\n".encode()
    )
    found = lines_of(note, list(policy.witnesses.values()))
    assert len(found.lines) == len(keys) == 3
    assert policy.is_enough(found.lines)
    assert not policy.is_enough(list(found.lines)[1:])
