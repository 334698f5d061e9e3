"""The facts of real decisions, held against evidence that is judged again."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest

from gateway.in_force import InForce
from gateway.keeping.named import named_documents
from gateway.nodes.attested import instant
from gateway.nodes.desk import VERIFIER
from gateway.nodes.documents import NOBODY, Documents
from gateway.nodes.store import FILE
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.reappraise.decision import Reappraised, reappraise
from gateway.reappraise.documents import read_documents
from gateway.verify import Trust, VerifiedDecision
from tests.gateway.nodes import machines
from tests.gateway.nodes.deciding import (
    BAD,
    ELSEWHERE,
    OWN,
    Gateway,
    made,
    program,
    question,
    sites,
)
from tests.gateway.nodes.machines import SECOND, Machine
from tests.gateway.world import CALLER, run

Predicate = dict[str, Any]


def decided(tmp_path: Path, act: Callable[[Gateway], Predicate]) -> tuple[Predicate, Path, Trust]:
    """What a real record says, and the documents that it names."""
    with Gateway(tmp_path) as gateway:
        predicate = json.loads(json.dumps(act(gateway)))
        trust = gateway.trust
    shown = tmp_path / "shown"
    shown.mkdir()
    kept = Documents(tmp_path / FILE)
    for digest in named_documents(predicate):
        found = kept.find(digest, (CALLER.tenant, NOBODY))
        assert found is not None
        assert found.body is not None
        (shown / digest).write_bytes(found.body)
    return predicate, shown, trust


def judged(predicate: Predicate, shown: Path, trust: Trust) -> Reappraised:
    verified = VerifiedDecision("1", "permit", predicate, "", (), "log", 0, 1, b"")
    return reappraise(verified, trust, read_documents([shown]), program=VERIFIER)


def asks(gateway: Gateway, **changes: Any) -> Predicate:
    asked = question(**changes)
    return dict(gateway.verify(gateway.ask(asked), asked))


def stands(gateway: Gateway) -> Predicate:
    gateway.counter.answer(OWN)
    gateway.later(timedelta(minutes=3, seconds=20, milliseconds=123))
    return asks(gateway)


def refused(gateway: Gateway) -> Predicate:
    gateway.counter.answer(BAD)
    return asks(gateway)


def elsewhere(gateway: Gateway) -> Predicate:
    gateway.counter.answer(OWN)
    return asks(gateway, site=ELSEWHERE)


def stale(gateway: Gateway) -> Predicate:
    gateway.counter.answer(OWN)
    gateway.later(timedelta(hours=2))
    return asks(gateway)


def shown_with_it(gateway: Gateway) -> Predicate:
    return asks(gateway, attestation=gateway.shows(OWN))


def background(gateway: Gateway) -> Predicate:
    return asks(gateway, attestation=gateway.shows(OWN, answers=False))


def another_device(gateway: Gateway) -> Predicate:
    return asks(gateway, attestation=gateway.shows(Machine(SECOND)))


def after_a_reload(gateway: Gateway) -> Predicate:
    """What stands is judged by the policy of now, at the instant at which it came."""
    gateway.counter.answer(OWN)
    strict = machines.POLICY.replace("test/nodes", "test/later") + "\n# a later one\n"
    with TemporaryDirectory() as later:
        terms = machines.terms(Path(later), policy=strict)
    engines = [ReferenceEngine(program())]

    async def reload() -> None:
        gateway.service.replace(InForce(made(), sites(), engines, attestation=terms))

    run(reload())
    gateway.later(timedelta(minutes=1))
    predicate = asks(gateway)
    assert predicate["evidence"][0]["policy"]["id"] == "test/later"
    return predicate


REAL = [
    after_a_reload,
    stands,
    refused,
    elsewhere,
    stale,
    shown_with_it,
    background,
    another_device,
]


@pytest.mark.parametrize("act", REAL)
def test_what_a_gateway_recorded_comes_out_again(
    tmp_path: Path, act: Callable[[Gateway], Predicate]
) -> None:
    predicate, shown, trust = decided(tmp_path, act)
    found = judged(predicate, shown, trust)
    assert len(found.pieces) == 1
    assert found.worst is None, found


def test_a_node_that_has_shown_nothing_states_nothing(tmp_path: Path) -> None:
    predicate, shown, trust = decided(tmp_path, asks)
    assert (predicate["evidence"], predicate["sources"][0]["status"]) == ([], "absent")
    assert judged(predicate, shown, trust).worst is None


def test_a_challenge_that_was_used_is_not_judged_again(tmp_path: Path) -> None:
    def twice(gateway: Gateway) -> Predicate:
        shows = gateway.shows(OWN)
        asks(gateway, attestation=shows)
        return asks(gateway, attestation=shows)

    predicate, shown, trust = decided(tmp_path, twice)
    worst = judged(predicate, shown, trust).worst
    assert worst is not None
    assert worst.reason == "evidence-state"


# --- what does not follow ------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predicate, Path, Trust]:
    return decided(tmp_path_factory.mktemp("real"), stands)


def source(**members: Any) -> Callable[[Predicate], object]:
    return lambda predicate: predicate["sources"][0].update(members)


def says(path: str, value: object) -> Callable[[Predicate], object]:
    return lambda predicate: predicate["sources"][0]["said"].update({path: value})


def fact(path: str, value: object) -> Callable[[Predicate], object]:
    def change(predicate: Predicate) -> None:
        kept = [one for one in predicate["facts"] if one["path"] != path]
        predicate["facts"] = [*kept, {"path": path, "origin": "verifier", "value": value}]

    return change


def both(path: str, value: object) -> Callable[[Predicate], object]:
    return lambda predicate: (says(path, value)(predicate), fact(path, value)(predicate))


DAMAGE: dict[str, Callable[[Predicate], object]] = {
    "another product": both("attestation.product", "Milan"),
    "another product in the facts alone": fact("attestation.product", "Milan"),
    "another product in the source alone": says("attestation.product", "Milan"),
    "younger": both("attestation.age", 1),
    "a minute older": both("attestation.age", 5),
    "a fact more": both("attestation.confidential", True),
    "a fact that no source states": fact("attestation.confidential", True),
    "a number for a truth": both("attestation.waived", 0),
    "a fact less": lambda p: p["sources"][0]["said"].pop("attestation.technology"),
    "nothing stated, and facts": source(said={}),
    "of another node": source(id="n2"),
    "of another origin": source(origin="operator"),
    "of another thing": source(about="site"),
    "another status": source(status="stale"),
    "another instant": source(observed_at="2026-11-22T10:01:00.000Z"),
    "another digest": source(digest="sha256:" + "0" * 64),
    "under another name": source(source="weather", said={}),
    "of the machine, under another name": source(source="weather"),
    "of the machine, under another name besides": lambda p: p["sources"].append(
        {**p["sources"][0], "source": "weather", "said": {"attestation.confidential": True}}
    ),
    "of another source besides": lambda p: (
        fact("attestation.confidential", True)(p),
        p["sources"].append(
            {"source": "inventory", "id": "n1", "said": {"attestation.confidential": True}}
        ),
    ),
    "no source": lambda p: p.update(sources=[]),
    "neither source nor facts": lambda p: p.update(sources=[], facts=[]),
    "the source of another node, and no facts": lambda p: (
        p.update(facts=[]),
        p["sources"][0].update(id="n2", status="absent", said={}),
    ),
    "sources that are none": lambda p: p.update(sources="x"),
    "at another site": lambda p: p["entities"][0].update(id=ELSEWHERE),
    "at no site": lambda p: p.update(entities=[]),
    "decided later": lambda p: p.update(decided_at="2026-11-22T10:09:00.000Z"),
    "decided after its end": lambda p: p.update(decided_at="2026-11-22T12:00:00.000Z"),
    "decided at no instant": lambda p: p.update(decided_at="noon"),
    "longer valid than the evidence": lambda p: p.update(valid_until="2026-11-22T11:00:00.001Z"),
    "valid for ever": lambda p: p.pop("valid_until"),
    "evidence left out": lambda p: p.update(evidence=[]),
}


def test_the_record_that_is_damaged_holds(real: tuple[Predicate, Path, Trust]) -> None:
    predicate, *_ = real
    assert predicate["entities"][0]["record"] == "destination"
    (one,) = predicate["evidence"]
    assert one["valid_until"] == "2026-11-22T11:00:00.000Z"
    assert predicate["sources"][0]["said"]["attestation.age"] == 4
    assert judged(*real).worst is None


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_facts_that_do_not_follow_are_found_out(
    real: tuple[Predicate, Path, Trust], damage: Callable[[Predicate], object]
) -> None:
    predicate, shown, trust = real
    changed = copy.deepcopy(predicate)
    damage(changed)
    found = judged(changed, shown, trust)
    assert found.facts is not None
    assert found.facts.reason == "reappraisal-facts"


def test_what_was_refused_is_not_hidden_behind_what_was_accepted(tmp_path: Path) -> None:
    def then_refused(gateway: Gateway) -> Predicate:
        gateway.counter.answer(OWN)
        first = asks(gateway)
        gateway.counter.answer(BAD)
        second = asks(gateway)
        return {**first, "evidence": first["evidence"] + second["evidence"]}

    found = judged(*decided(tmp_path, then_refused))
    assert [piece.error for piece in found.pieces] == [None, None]
    assert found.facts is not None
    assert found.facts.reason == "reappraisal-facts"


def test_facts_of_other_sources_are_theirs_where_no_evidence_is_taken(
    real: tuple[Predicate, Path, Trust],
) -> None:
    predicate, shown, trust = real
    rack = {"source": "inventory", "id": "n1", "said": {"attestation.rack": "7"}}
    changed = {**copy.deepcopy(predicate), "evidence": [], "sources": [rack], "facts": []}
    fact("attestation.rack", "7")(changed)
    assert judged(changed, shown, trust).worst is None


@pytest.mark.parametrize("by", [timedelta(milliseconds=1), timedelta(minutes=2)])
def test_evidence_that_was_shown_for_one_decision_is_none_of_a_later(
    tmp_path: Path, by: timedelta
) -> None:
    predicate, shown, trust = decided(tmp_path, shown_with_it)
    assert judged(predicate, shown, trust).worst is None
    later = datetime.fromisoformat(predicate["decided_at"]) + by
    changed: Predicate = {**predicate, "decided_at": instant(later)}
    age = -(-by // timedelta(minutes=1))
    changed["sources"][0]["said"]["attestation.age"] = age
    for one in changed["facts"]:
        if one["path"] == "attestation.age":
            one["value"] = age
    found = judged(changed, shown, trust)
    assert found.facts is not None
    assert found.facts.reason == "reappraisal-facts"


# --- anything at all -----------------------------------------------------------------

STRANGE: list[object] = [
    None,
    True,
    -1,
    "ü",
    [[]],
    {"a": {}},
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999-23:59",
    f"sha256:{'0' * 64}",
]


def places(value: object, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place within a value; of lists the first three."""
    yield above
    if isinstance(value, dict):
        for name, one in cast("dict[str, object]", value).items():
            yield from places(one, (*above, name))
    elif isinstance(value, list):
        for number, one in enumerate(cast("list[object]", value)[:3]):
            yield from places(one, (*above, number))


@pytest.mark.parametrize("member", ["evidence", "sources", "entities", "decided_at", "facts"])
def test_whatever_a_record_says_there_is_a_verdict(
    real: tuple[Predicate, Path, Trust], member: str
) -> None:
    predicate, shown, trust = real
    for place in places(predicate[member], (member,)):
        for value in STRANGE:
            changed = copy.deepcopy(predicate)
            at: Any = changed
            for name in place[:-1]:
                at = at[name]
            was, at[place[-1]] = at[place[-1]], value
            worst = judged(changed, shown, trust).worst
            # Another program that concluded the same is right too.
            is_counted = member in ("evidence", "decided_at") and place[-1] != "verifier"
            assert worst is not None or was == value or not is_counted, (place, value)
