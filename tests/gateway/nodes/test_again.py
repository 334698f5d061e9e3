"""What a machine had proved, when a decision is looked at again: explained, decided again, under
other rules, elsewhere."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dsl.compile import compile_charters
from dsl.core import Origin, Program
from dsl.evaluate import Verdict, evaluate, verdict
from dsl.source import SourceText
from gateway import bundle
from gateway.kept import keep
from gateway.nodes.facts import supplied
from gateway.pdp.normalise import Joined, Normaliser
from gateway.pdp.request import DecisionRequest
from gateway.pdp.stored import explain_stored
from gateway.pdp.supplied import Supplied
from gateway.pdp.supplied_read import read_supplied
from gateway.pdp.verified import Verified
from gateway.replay.asked import joined_again, moment_of
from gateway.replay.plan import Plan
from gateway.replay.run import replay
from tests.gateway.nodes.deciding import (
    BAD,
    ELSEWHERE,
    LAW,
    OWN,
    Gateway,
    flow,
    made,
    program,
    question,
    sites,
)
from tests.gateway.nodes.machines import NOW, SITE
from tests.gateway.replay.worlds import plain

MINUTE = timedelta(minutes=1)


def recorded(
    folder: Path, asked: dict[str, Any] | None = None, *, later: timedelta = MINUTE
) -> Mapping[str, Any]:
    """The predicate of a decision about a machine that had shown what it should."""
    with Gateway(folder) as gateway:
        gateway.counter.answer(OWN)
        gateway.later(later)
        answered = gateway.ask(asked or question())
        return json.loads(json.dumps(gateway.verify(answered)))


def again(of: Program, predicate: Mapping[str, Any]) -> Joined:
    days = moment_of(predicate).days
    normaliser = Normaliser(of, sites() if of is program() else _sites(of))
    if set(days.today) != set(of.time_zones()):
        days = normaliser.days_at(moment_of(predicate).now)
    return joined_again(of, normaliser, predicate, days, profile=None)


def _sites(of: Program) -> Any:
    from gateway.pdp import catalogue

    return catalogue.load(bundle.PACK / "fixtures" / "sites.toml", of)


def other_law(old: str, new: str) -> Program:
    assert old in LAW
    text = SourceText("law.charter", LAW.replace(old, new))
    return compile_charters(bundle.with_imports([text])).require()[1]


def outcome(of: Program, joined: Joined) -> Verdict:
    return verdict(evaluate(of, joined.question))


# --- decided again -------------------------------------------------------------------


def test_replaying_a_ledger_gives_the_same_without_desk_and_evidence(tmp_path: Path) -> None:
    fixtures = bundle.PACK / "fixtures" / "sites.toml"
    with Gateway(tmp_path) as gateway:
        keep(tmp_path, made(), sites(), [fixtures])
        asked = [question(), flow(), question(site=ELSEWHERE), question(labels=["internal"])]
        for machine in (None, OWN, BAD):
            if machine is not None:
                gateway.counter.answer(machine)
            for one in asked:
                gateway.ask(one)
        gateway.ask(question(attestation=gateway.shows(OWN)))
        gateway.later(2 * MINUTE)
        gateway.counter.answer(OWN)
        gateway.later(31 * MINUTE)
        for one in asked:
            gateway.ask(one)
    for name in ("attestation.sqlite3", "nodes.toml"):
        (tmp_path / name).unlink()
    found = replay(Plan(tmp_path, engines=("reference",)), workers=1)
    assert plain(found) == {"decisions": 17, "same": 17, "changed": 0, "cannot_tell": 0}


@pytest.mark.parametrize("later", [MINUTE, 30 * MINUTE, 31 * MINUTE])
@pytest.mark.parametrize("asked", [question(), flow()])
def test_a_record_alone_leads_to_the_same_facts_and_the_same_answer(
    tmp_path: Path, asked: dict[str, Any], later: timedelta
) -> None:
    predicate = recorded(tmp_path, asked, later=later)
    joined = again(program(), predicate)
    said = {one["path"]: one["value"] for one in predicate["facts"]}
    assert joined.question.facts["attestation.age"] == said["attestation.age"]
    assert joined.question.facts.keys() == said.keys()
    assert (outcome(program(), joined) is Verdict.PERMIT) is (predicate["decision"] == "permit")


@pytest.mark.parametrize(
    ("old", "new", "verdict_then"),
    [
        ("at least enrolled", "at least measured", Verdict.FORBIDDEN),
        ("at least enrolled", "at least declared", Verdict.PERMIT),
        ("at least enrolled", "at least enrolled and attestation.confidential",
         Verdict.UNDETERMINED),
        # Asked of old records too: what the machine had proved was recorded whole.
        ("at least enrolled", "at least enrolled and attestation.product = TPM", Verdict.PERMIT),
        ("at least enrolled", "at least enrolled and attestation.policy = \"test/nodes\"",
         Verdict.PERMIT),
    ],
)  # fmt: skip
def test_under_other_rules_what_was_proved_is_judged_by_those(
    tmp_path: Path, old: str, new: str, verdict_then: Verdict
) -> None:
    other = other_law(old, new)
    assert outcome(other, again(other, recorded(tmp_path))) is verdict_then


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "taken out": lambda one: one["sources"].clear(),
    "without what was said": lambda one: one["sources"][0].pop("said"),
    "of another site": lambda one: one["sources"][0]["said"].update(
        {"attestation.site": ELSEWHERE}
    ),
    "without a site": lambda one: one["sources"][0]["said"].pop("attestation.site"),
    "said of something else": lambda one: one["sources"][0].update(about="site"),
    "with a word nobody declared": lambda one: one["sources"][0]["said"].update(
        {"attestation.trust[executables]": "excellent"}
    ),
    "with a value that does not fit": lambda one: one["sources"][0]["said"].update(
        {"attestation.place": ["enrolled"]}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_in_a_record_is_unknown_again(tmp_path: Path, damage: str) -> None:
    predicate = copy.deepcopy(dict(recorded(tmp_path)))
    DAMAGES[damage](predicate)
    joined = again(program(), predicate)
    assert outcome(program(), joined) is Verdict.UNDETERMINED
    assert explain_stored(program(), sites(), predicate, budget=10) is None


def test_a_record_makes_no_fact_that_a_verifier_may_not_state(tmp_path: Path) -> None:
    predicate = copy.deepcopy(dict(recorded(tmp_path)))
    more = {"data.labels": ["public"], "destination.status": "closed", "profile": "x"}
    predicate["sources"][0]["said"].update(more)
    (statement,) = read_supplied(program(), predicate["sources"]).statements
    assert {program().facts[path].origin for path in statement.facts} == {Origin.VERIFIER}


def test_rules_that_let_the_caller_say_it_take_nothing_from_a_verifier(tmp_path: Path) -> None:
    changed = {
        path: replace(fact, origin=Origin.REQUEST) if path == "attestation.place" else fact
        for path, fact in program().facts.items()
    }
    other = replace(program(), facts=changed)
    (statement,) = read_supplied(other, recorded(tmp_path)["sources"]).statements
    assert "attestation.place" not in statement.facts
    assert "attestation.technology" in statement.facts


@pytest.mark.parametrize("status", ["refused", "stated"])
def test_no_other_source_speaks_of_a_machine_beside_its_evidence(
    tmp_path: Path, status: str
) -> None:
    predicate = copy.deepcopy(dict(recorded(tmp_path)))
    (own,) = predicate["sources"]
    other = {
        **own, "source": "books", "about": "tenant", "id": "clinic-a", "digest": None,
        "said": {"attestation.confidential": True, "attestation.place": "measured"},
    }  # fmt: skip
    if status == "refused":
        own.update(status="refused", said={})
    predicate["sources"] = [own, other]
    facts = again(program(), predicate).question.facts
    assert "attestation.confidential" not in facts
    assert facts.get("attestation.place") == ("enrolled" if status == "stated" else None)


# --- elsewhere -----------------------------------------------------------------------


def proved(folder: Path) -> Supplied:
    with Gateway(folder) as gateway:
        shown = gateway.counter.answer(OWN)
    said = supplied(shown, "n1", now=NOW, site=SITE)
    return Verified(program()).facts(said, "place")


@pytest.mark.parametrize("site", [ELSEWHERE, "nimbus/at-unstated"])
def test_what_was_proved_at_one_site_is_not_carried_to_another(tmp_path: Path, site: str) -> None:
    normaliser, said = Normaliser(program(), sites()), proved(tmp_path)

    def facts(asked: dict[str, Any]) -> set[str]:
        del asked["context"]["attestation"]
        request = DecisionRequest.read(asked)
        joined = normaliser.join_on(request, normaliser.days_at(NOW), supplied=said)
        return {path for path in joined.question.facts if path.startswith("attestation.")}

    assert "attestation.place" in facts(question())
    assert facts(question(site=site)) == set()


# --- explained -----------------------------------------------------------------------


def test_an_explanation_of_other_sites_does_not_count_the_machine(tmp_path: Path) -> None:
    # Too old for a move; and of no other site is anything known.
    found = explain_stored(
        program(), sites(), recorded(tmp_path, flow(), later=31 * MINUTE), budget=1000
    )
    assert found is not None
    assert [places.permitted for places in found.found.places] == [0]


def test_a_refused_machine_is_explained_without_a_word_of_what_it_said(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.counter.answer(BAD)
        predicate = json.loads(json.dumps(gateway.verify(gateway.ask(question()))))
    found = explain_stored(program(), sites(), predicate, budget=1000)
    assert found is not None
    changes = {change.fact.path for one in found.found.suggestions for change in one.changes}
    assert changes == {"data.labels"}
