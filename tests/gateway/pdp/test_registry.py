"""The registry adds labels and takes none away; leaving something out never helps."""

import itertools
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dsl.facts import Value
from gateway.callers import Caller
from gateway.errors import ConfigurationError, RequestError
from gateway.pdp.catalogue import Catalogue, build
from gateway.pdp.normalise import Normaliser
from gateway.pdp.overlay import lay_over
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import NOW, SITES, TENANT, World, program, question, run

DATASETS = """
[[dataset]]
id = "ehr-lake"
title = "Health records"
valid_from = 2026-01-01
source = "record of processing 12"
owner = "clinic-a"
shared_with = ["lab"]
labels = ["health"]
digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

[[dataset]]
id = "papers"
valid_from = 2026-01-01
valid_until = 2026-11-22
source = "library"
owner = "clinic-a"
labels = ["public"]

[[dataset]]
id = "rivals"
valid_from = 2026-01-01
source = "theirs"
owner = "clinic-b"
labels = ["health"]
"""


def known(text: str = DATASETS) -> Catalogue:
    return build(tomllib.loads(SITES + text), program(), name="sites.toml")


def facts(tenant: str | None = TENANT, **changes: Any) -> dict[str, Value]:
    asked = question(context__data__labels=["public"])
    asked["context"]["data"] |= changes
    asked["context"]["data"] = {k: v for k, v in asked["context"]["data"].items() if v is not ...}
    normaliser = Normaliser(program(), known())
    days = normaliser.days_at(NOW)
    request = DecisionRequest.read(asked)
    return dict(normaliser.join_on(request, days, tenant=tenant).question.facts)


@pytest.mark.parametrize(
    ("labels", "datasets", "expected"),
    [
        (["public"], ["ehr-lake"], ("health", "personal", "public")),
        (["public"], ["papers"], ("public",)),
        (["personal"], ["papers", "ehr-lake"], ("health", "personal", "public")),
        (["health"], [], ("health", "personal")),
    ],
)
def test_what_is_named_adds_its_labels(
    labels: list[str], datasets: list[str], expected: tuple[str, ...]
) -> None:
    assert facts(labels=labels, datasets=datasets)["data.labels"] == expected


@pytest.mark.parametrize(
    "data",
    [
        {"labels": ..., "datasets": ["papers"]},
        {"labels": None, "datasets": ["papers"]},
        {"labels": [], "datasets": ["papers"]},
        {"datasets": ...},
        {"datasets": None},
        {"labels": ..., "datasets": ...},
    ],
)
def test_where_one_of_the_two_is_not_stated_labels_are_unknown(data: dict[str, Any]) -> None:
    assert "data.labels" not in facts(**data)


def test_leaving_out_never_turns_a_refusal_into_a_permit(tmp_path: Path) -> None:
    """Every question with something of it left out is permitted only where the whole is."""
    caller = Caller("one", TENANT)
    with World(tmp_path, known=known()) as world:

        def decision(data: dict[str, Any]) -> str:
            asked = question(resource__id="far")
            asked["context"]["data"] = data
            request = DecisionRequest.read(asked)
            prepared = run(world.service.prepare(asked, caller, request))
            return prepared.judged.decision.outcome.value

        labels: tuple[list[str], ...] = ([], ["public"], ["health"])
        datasets: tuple[list[str], ...] = ([], ["papers"], ["ehr-lake"], ["papers", "ehr-lake"])
        for one, other in itertools.product(labels, datasets):
            whole = decision({"labels": one, "datasets": other})
            for less in ({"labels": one}, {"datasets": other}, {}):
                assert decision(less) != "permit" or whole == "permit"
        assert decision({"labels": ["public"], "datasets": ["papers"]}) == "permit"
        assert decision({"labels": ["public"], "datasets": ["papers", "ehr-lake"]}) == "deny"


def test_a_data_set_of_others_is_like_one_that_is_not_there() -> None:
    told: list[str] = []
    for name in ("rivals", "nobody"):
        with pytest.raises(RequestError) as error:
            facts(datasets=[name])
        told.append(error.value.detail.replace(name, ""))
        assert (error.value.kind, error.value.pointer) == (
            "unknown-entity",
            "/context/data/datasets",
        )
    assert told[0] == told[1]
    assert facts("lab", datasets=["ehr-lake"])
    with pytest.raises(RequestError):
        facts("lab", datasets=["papers"])


def test_a_row_that_has_lapsed_registers_nothing_and_a_permit_ends_with_it(tmp_path: Path) -> None:
    with World(tmp_path, known=known()) as world:
        data = {"labels": ["public"], "datasets": ["papers"]}
        world.clock.now = NOW.replace(hour=23, minute=30)
        answer = world.decide(context__data=data)
        assert answer["valid_until"] == "2026-11-23T00:00:00.000Z"
        world.clock.now += timedelta(hours=1)
        with pytest.raises(RequestError, match="no data set `papers`"):
            world.decide(context__data=data)


def test_a_search_finds_what_asking_one_by_one_finds(tmp_path: Path) -> None:
    caller = Caller("one", TENANT)
    with World(tmp_path, known=known()) as world:
        for datasets, expected in ((["papers"], {"near", "far", "lapsing"}), (["ehr-lake"], None)):
            data = {"labels": ["public"], "datasets": datasets}
            asked = question(context__data=data)
            found = run(world.service.search(asked, "resource", caller))
            permitted = {one.id for one in found.candidates if one.permitted}
            alone = {
                one.id
                for one in found.candidates
                if world.decide(resource__id=one.id, context__data=data)["decision"] == "permit"
            }
            assert permitted == alone == (expected or {"near", "lapsing"})
        foreign = question(context__data={"labels": ["public"], "datasets": ["rivals"]})
        assert run(world.service.search(foreign, "resource", caller)).candidates == ()


def test_without_a_registry_data_sets_are_names() -> None:
    normaliser = Normaliser(program(), known(""))
    request = DecisionRequest.read(question(context__data__datasets=["anything"]))
    joined = normaliser.join_on(request, normaliser.days_at(NOW), tenant=TENANT)
    assert joined.question.facts["data.labels"] == ("health", "personal")


WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "no labels": (('labels = ["health"]', "labels = []"), "`labels`"),
    "a label nobody declared": (('labels = ["health"]', 'labels = ["helth"]'), "helth"),
    "labels that are no list": (('labels = ["health"]', 'labels = "health"'), "`labels`"),
    "no owner": (('owner = "clinic-b"', ""), "`owner`"),
    "an empty owner": (('owner = "clinic-b"', 'owner = ""'), "`owner`"),
    "no source": (('source = "theirs"', ""), "`source`"),
    "an unknown member": (('owner = "clinic-b"', 'owner = "b"\nowned = 1'), "`owned`"),
    "a digest that is none": (("sha256:aa", "sha256:zz"), "`digest`"),
    "twice the same id": (('id = "rivals"', 'id = "papers"'), "`papers` is listed twice"),
    "a row that ends before it begins": (("2026-11-22", "2025-11-22"), "before valid_from"),
    "an id that cannot be shown": (('"rivals"', '"riv\\u001b"'), "cannot be shown"),
    "another fact for labels": (
        (
            '[[dataset]]\nid = "ehr-lake"',
            '[registry]\nlabels = "transfer.age"\n[[dataset]]\nid = "e"',
        ),
        "`transfer.age`",
    ),
    "a fact that is not there": (
        ('[[dataset]]\nid = "ehr-lake"', '[registry]\nnames = "data.sets"\n[[dataset]]\nid = "e"'),
        r"\[registry\]",
    ),
    "a fact that the catalogue states": (
        (
            '[[dataset]]\nid = "ehr-lake"',
            '[registry]\nnames = "destination.staff"\n[[dataset]]\nid = "e"',
        ),
        "destination.staff",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_registry_is_refused_and_the_place_is_named(case: str) -> None:
    (before, after), words = WRONG[case]
    assert before in DATASETS
    with pytest.raises(ConfigurationError, match=words) as told:
        known(DATASETS.replace(before, after, 1))
    assert str(told.value).startswith("sites.toml")


# --- overlaid ------------------------------------------------------------------------

HEAD = 'format = "charter-overlay/v1"\ntitle = "x"\nauthor = "me"\nas_of = 2026-11-20\n'
OWN = """
[[dataset]]
id = "papers"
valid_from = 2026-01-01
source = "looked again"
owner = "clinic-a"
labels = ["personal"]
"""


def test_an_overlay_registers_and_replaces_with_a_reason() -> None:
    raw = tomllib.loads(HEAD + OWN.replace("id", 'replaces = "names of authors"\nid', 1))
    over = lay_over(known(), raw, program(), name="own.toml")
    assert over.registry is not None
    assert over.registry.datasets["papers"].labels == ("personal",)
    (change,) = over.changes
    assert change.fields["labels"] == (["public"], ["personal"])
    added = lay_over(known(""), tomllib.loads(HEAD + OWN), program(), name="own.toml")
    assert added.registry is not None
    assert set(added.registry.datasets) == {"papers"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN, "there is a row of that id below"),
        (OWN.replace("id", 'changes = "x"\nid', 1), "a data set is stated as a whole"),
        (OWN.replace("papers", "new").replace("id", 'replaces = "x"\nid', 1), "not below"),
    ],
)
def test_an_overlay_changes_no_data_set_in_silence(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        lay_over(known(), tomllib.loads(HEAD + text), program(), name="own.toml")


def test_a_registry_without_rows_names_the_facts_of_an_overlays_and_knows_no_data_set() -> None:
    """Else the labels would be added to the usual facts, whatever the catalogue says."""
    other = '[registry]\nnames = "data.labels"\nlabels = "data.datasets"\n'
    below = build(tomllib.loads(other_head(other)), program(), name="sites.toml")
    assert below.registry is not None
    assert (below.registry.names, below.registry.datasets) == ("data.labels", {})
    row = DATASETS.split("[[dataset]]")[2].replace('"papers"', '"health"')
    over = lay_over(below, tomllib.loads(HEAD + "[[dataset]]" + row), program(), name="o.toml")
    assert over.registry is not None
    assert (over.registry.names, over.registry.labels) == ("data.labels", "data.datasets")
    with pytest.raises(RequestError, match="no data set `ehr-lake`"):
        facts_of(build(tomllib.loads(other_head("[registry]\n")), program(), name="s"))


def other_head(registry: str) -> str:
    """The sites with a table before the first list of rows."""
    head, rest = SITES.split("[[", 1)
    return f"{head}\n{registry}\n[[{rest}"


def facts_of(known_now: Catalogue) -> None:
    normaliser = Normaliser(program(), known_now)
    request = DecisionRequest.read(question(context__data__datasets=["ehr-lake"]))
    normaliser.join_on(request, normaliser.days_at(NOW), tenant=TENANT)
