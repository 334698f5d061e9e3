"""An operator's file over a catalogue: nothing below it changes without a reason, and of
every fact it is known who states it."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.in_force import InForce
from gateway.pdp.catalogue import Catalogue, build, digest_of
from gateway.pdp.engine_reference import ReferenceEngine
from gateway.pdp.explanation import When, explained, to_body
from gateway.pdp.overlay import lay_over, load_over
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import NOW, World, body, made, program, question, sites
from tests.pack import pack, pack_catalogue
from tests.project import ROOT

HEAD = """\
format = "charter-overlay/v1"
title = "What our contracts say"
author = "compliance@clinic-a.example"
as_of = 2026-11-20
"""
ADDED = """
[[site]]
id = "own"
valid_from = 2026-01-01
source = "our own cellar"
facts = { countries = ["FR"], open = true }
"""
CHANGED = """
[[site]]
id = "near"
changes = "the contract names who has access"
valid_until = 2026-12-31
source = "contract 2026-17"
facts = { staff = ["BE"], tier = 4 }
"""
REPLACED = """
[[site]]
id = "closed"
replaces = "it was opened for us"
valid_from = 2026-06-01
source = "contract 2026-18"
facts = { countries = ["FR"], open = true }
"""
WITHDRAWN = """
[[withdraw]]
entity = "site"
id = "far"
reason = "no more placements there"
"""


def over(
    *parts: str, below: Catalogue | None = None, name: str = "/etc/x/clinic.toml"
) -> Catalogue:
    raw = tomllib.loads(HEAD + "".join(parts))
    return lay_over(below or sites(), raw, program(), name=name)


def test_rows_are_added_changed_replaced_and_withdrawn() -> None:
    known = over(ADDED, CHANGED, REPLACED, WITHDRAWN)
    rows = known.entries["site"]
    assert set(rows) == {"near", "closed", "vague", "lapsing", "own"}
    assert rows["near"].facts == {"countries": ["FR"], "tier": 4, "open": True, "staff": ["BE"]}
    assert rows["closed"].facts == {"countries": ["FR"], "open": True}
    assert sites().entries["site"]["near"].facts["tier"] == 3, "the layer below was written to"
    kinds = {(one.kind, one.id): one for one in known.changes}
    assert set(kinds) == {("changed", "near"), ("replaced", "closed"), ("withdrawn", "far")}
    assert kinds["changed", "near"].fields == {
        "tier": (3, 4),
        "staff": ([], ["BE"]),
        "valid_until": (None, "2026-12-31"),
    }
    assert kinds["replaced", "closed"].fields["open"] == (False, True)
    assert "it was opened for us" in kinds["replaced", "closed"].words()


def test_of_every_fact_it_is_known_who_states_it() -> None:
    row = over(CHANGED).entries["site"]["near"]
    assert {name: (row.said(name).layer.name, row.said(name).source) for name in row.facts} == {
        "countries": ("sites.toml", "made up"),
        "open": ("sites.toml", "made up"),
        "tier": ("clinic.toml", "contract 2026-17"),
        "staff": ("clinic.toml", "contract 2026-17"),
    }
    layer = row.said("tier").layer
    assert (layer.author, layer.as_of) == ("compliance@clinic-a.example", date(2026, 11, 20))
    assert layer.digest == digest_of(tomllib.loads(HEAD + CHANGED))


def test_a_changed_row_holds_while_both_do() -> None:
    row = over(CHANGED).entries["site"]["near"]
    assert row.holds_on(date(2026, 12, 31))
    assert not row.holds_on(date(2027, 1, 1))
    longer = CHANGED.replace("2026-12-31", "2099-01-01").replace('"near"', '"lapsing"')
    row = over(longer).entries["site"]["lapsing"]
    assert not row.holds_on(date(2026, 11, 23)), "a change made a row of ours last longer"


def test_layers_lie_over_each_other_and_all_are_in_the_digest() -> None:
    first = over(ADDED, name="a.toml")
    both = over(CHANGED.replace('"near"', '"own"'), below=first, name="b.toml")
    assert [layer.name for layer in both.layers] == ["sites.toml", "a.toml", "b.toml"]
    digests = {sites().digest, first.digest, both.digest, *(one.digest for one in both.layers)}
    assert len(digests) == 5
    other_way = over(ADDED, below=over(WITHDRAWN), name="a.toml")
    assert other_way.digest != over(WITHDRAWN, below=over(ADDED)).digest


WRONG: dict[str, tuple[str, str]] = {
    "a row of ours without a reason": (
        ADDED.replace('"own"', '"near"'),
        "site 1 `near`: there is a row of that id below",
    ),
    "a reason for a row that is not there": (
        ADDED.replace("[[site]]", '[[site]]\nreplaces = "why"'),
        "`replaces` speaks of a row that is not below",
    ),
    "a change of a row that is not there": (
        CHANGED.replace('"near"', '"neer"'),
        "`changes` speaks",
    ),
    "both reasons": (CHANGED.replace("changes", 'replaces = "x"\nchanges'), "say one"),
    "an empty reason": (CHANGED.replace("the contract names who has access", ""), "`changes`"),
    "a reason that is no text": (CHANGED.replace('"the contract', 'true # "'), "`changes`"),
    "a reason of two lines": (CHANGED.replace("names who", "names\\nwho"), "`changes`"),
    "no source": (CHANGED.replace('source = "contract 2026-17"\n', ""), "`source`"),
    "an undeclared field": (CHANGED.replace("tier", "teir"), "no field `teir`"),
    "a value that does not fit": (CHANGED.replace("tier = 4", 'tier = "4"'), "`tier`"),
    "twice the same row": (CHANGED + CHANGED, "site 2 `near`: it is listed twice"),
    "an unknown entity": (ADDED.replace("[[site]]", "[[sight]]"), "no entity `sight`"),
    "no rows": ("\n[site]\nid = 1\n", r"write \[\[site\]\]"),
    "a row that is none": ("\nsite = [1]\n", "site 1"),
    "a period that is empty with that below": (
        CHANGED.replace("valid_until = 2026-12-31", "valid_until = 2025-12-31"),
        "valid_until",
    ),
    "a withdrawal of nothing": (WITHDRAWN.replace('"far"', '"fur"'), "no site `fur` to withdraw"),
    "a withdrawal without a reason": (WITHDRAWN.replace("reason", "# "), "`reason`"),
    "a withdrawal of its own row": (ADDED + WITHDRAWN.replace("far", "own"), "this very file"),
    "a withdrawal of another type": (WITHDRAWN.replace('"site"', '"sight"'), "no sight"),
    "data sets that no vocabulary knows": (
        ADDED.replace("[[site]]", "[[dataset]]"),
        "dataset 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_overlay_is_refused_and_the_place_is_named(case: str) -> None:
    text, words = WRONG[case]
    with pytest.raises(ConfigurationError, match=words) as told:
        over(text)
    assert str(told.value).startswith("/etc/x/clinic.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('format = "charter-overlay/v1"', "format"),
        ('author = "compliance@clinic-a.example"', "author"),
        ("as_of = 2026-11-20", "as_of"),
        ('title = "What our contracts say"', "title"),
    ],
)
def test_a_head_that_says_less_is_refused(line: str, words: str) -> None:
    raw = tomllib.loads(HEAD.replace(line, ""))
    with pytest.raises(ConfigurationError, match=words):
        lay_over(sites(), raw, program(), name="x")


def test_a_catalogue_is_no_overlay(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('format = "charter-catalogue/v1"\n' + HEAD.partition("\n")[2])
    with pytest.raises(ConfigurationError, match="format"):
        load_over(sites(), [path], program())
    with pytest.raises(ConfigurationError, match="cannot read it"):
        load_over(sites(), [tmp_path / "gone.toml"], program())


# --- records and explanations --------------------------------------------------------


def test_a_record_names_every_layer(tmp_path: Path) -> None:
    known = over(REPLACED)
    in_force = InForce(made(), known, [ReferenceEngine(program())])
    with World(tmp_path, in_force=in_force) as world:
        answer = world.decide(resource__id="closed")
        signed = world.verify(answer, json.loads(body(resource__id="closed")))
    assert answer["decision"] == "permit"
    assert signed["catalogue"] == known.digest
    assert signed["catalogue_layers"] == [layer.digest for layer in known.layers]


def test_a_record_of_one_file_is_as_it_was(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        assert "catalogue_layers" not in world.decide()


def test_an_explanation_says_who_states_a_fact() -> None:
    request = DecisionRequest.read(question(resource__id="closed"))
    found = explained(program(), over(REPLACED), request, When(now=NOW), tenant="clinic-a")
    facts: Any = {one["path"]: one for one in to_body(found)["rests_on"]}  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    said = facts["destination.open"]["stated_by"]
    assert (said["file"], said["source"]) == ("clinic.toml", "contract 2026-18")
    assert all(("stated_by" in one) is (one["origin"] == "catalogue") for one in facts.values())


def test_what_the_page_shows_lies_over_the_installed_catalogue() -> None:
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    own, overlay, datasets = [part.partition("\n```")[0] for part in text.split("```toml\n")[1:]]
    known = build(tomllib.loads(f"{own}\n{datasets}"), pack().program, name="own.toml")
    assert known.registry is not None
    over = lay_over(pack_catalogue(), tomllib.loads(overlay), pack().program, name="clinic.toml")
    assert {one.kind for one in over.changes} == {"changed", "withdrawn"}
