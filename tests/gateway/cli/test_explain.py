"""`charter decide --explain`: the answer, what it rests on, and what would change it."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.pdp.catalogue import digest_of, read_toml
from gateway.verify import Trust, verify_decision
from tests.gateway.cli.commands import Charter, Ran
from tests.gateway.world import question

ON = ("--as-of", "2026-11-22", "--engines", "reference")
FAR: dict[str, Any] = {"resource__id": "far"}


@pytest.fixture
def ask(charter: Charter, project: Path, tmp_path: Path) -> Any:
    def asked(*options: str | Path, **changes: Any) -> Ran:
        path = tmp_path / "question.json"
        path.write_text(json.dumps(question(**changes)))
        return charter("decide", path, "--explain", "--policies", project, *options)

    return asked


def test_a_refusal_says_what_would_change_it_in_words(ask: Any) -> None:
    ran = ask(*ON, **FAR)
    assert ran.code == 2
    assert ran.err == "A dry run: nothing was signed or recorded.\n"
    said = " ".join(ran.out.split())
    assert ran.out.startswith("DENIED: place, destination far, 2026-11-22\n")
    assert "What this rests on - data.labels = {health, personal} (from the request)" in said
    assert "- destination.countries = {US} (from the catalogue)" in said
    assert (
        "What would change it This is information on the rules, and no advice to say what is "
        "not so: a fact may be stated only if it is true."
    ) in said
    assert "- It would be permitted if data.labels were {public} (now: {health, personal})." in said
    assert (
        "- It would be permitted if transfer.tool were clauses or rules (now: none), on "
        "condition of keep-record and tell-owner."
    ) in said
    assert (
        "- With all else as it is, 2 of 4 other sites of the catalogue would be permitted: "
        "lapsing, near."
    ) in said
    assert (
        "How long it holds - No day within a year, and none that the rules name beyond it, was "
        "found on which these facts get another answer."
    ) in said


def test_a_permit_says_what_it_rests_on_and_how_long_it_holds(ask: Any) -> None:
    ran = ask(*ON, **FAR, context__transfer__tool="clauses")
    assert ran.code == 0
    said = " ".join(ran.out.split())
    assert "On condition that you:" in said
    assert "- transfer.tool = clauses (from the request)" in said
    assert "What would change it" not in said
    assert "- From 2027-01-16 on, the same facts would be denied." in said


def test_a_row_of_the_catalogue_that_ends_is_told(ask: Any) -> None:
    said = " ".join(ask(*ON, resource__id="lapsing").out.split())
    assert "- The catalogue vouches for its facts until 2026-11-22." in said


def test_nothing_found_is_said_so(ask: Any) -> None:
    said = " ".join(ask(*ON, resource__id="closed").out.split())
    assert "No change of at most two facts that the request may state was found" in said


def test_plain_is_one_thing_a_line(ask: Any) -> None:
    lines = ask(*ON, "--format", "plain", **FAR).out.splitlines()
    stated = "rests on destination.countries = {US} (from the catalogue, sites.toml: made up)"
    assert stated in lines
    assert (
        "change it would be permitted if transfer.tool were clauses or rules (now: none), on "
        "condition of keep-record and tell-owner"
    ) in lines
    (elsewhere,) = [line for line in lines if line.startswith("elsewhere ")]
    assert elsewhere.endswith("would be permitted: lapsing, near")
    assert [line for line in lines if line.startswith("lasts ")]
    assert all(not line.startswith(" ") for line in lines)


def test_json_holds_the_answer_and_the_explanation_side_by_side(ask: Any, project: Path) -> None:
    told = json.loads(ask(*ON, "--format", "json", **FAR).out)
    assert set(told) == {"answer", "explanation"}
    assert told["answer"]["decision"] == "deny"
    explanation = told["explanation"]
    assert explanation["rests_on"][1].pop("stated_by") == {
        "file": "sites.toml",
        "digest": digest_of(read_toml(project / "catalogue" / "sites.toml")),
        "source": "made up",
    }
    assert explanation["rests_on"] == [
        {"path": "data.labels", "value": ["health", "personal"], "origin": "request"},
        {"path": "destination.countries", "value": ["US"], "origin": "catalogue"},
        {"path": "transfer.tool", "value": "none", "origin": "request"},
    ]
    assert explanation["would_permit"][1] == {
        "changes": [
            {
                "path": "transfer.tool",
                "pointer": "/context/transfer/tool",
                "from": "none",
                "to": ["clauses", "rules"],
                "between": None,
            }
        ],
        "obligations": ["keep-record", "tell-owner"],
    }
    assert explanation["elsewhere"] == [
        {
            "record": "destination",
            "entity": "site",
            "ids": ["lapsing", "near"],
            "permitted": 2,
            "tried": 4,
        }
    ]
    assert (explanation["changes_on"], explanation["gave_up"]) == (None, False)


def test_a_change_that_json_names_does_what_it_says(ask: Any) -> None:
    told = json.loads(ask(*ON, "--format", "json", **FAR).out)["explanation"]
    for suggestion in told["would_permit"]:
        changes = dict(FAR)
        for change in suggestion["changes"]:
            changes[change["pointer"].removeprefix("/").replace("/", "__")] = change["to"][-1]
        ran = ask(*ON, "--format", "json", **changes)
        answer = json.loads(ran.out)["answer"]
        assert (ran.code, answer["decision"]) == (0, "permit")
        assert sorted(o["id"] for o in answer["obligations"]) == suggestion["obligations"]


def test_the_day_on_which_it_changes_is_right(ask: Any) -> None:
    changes = {**FAR, "context__transfer__tool": "clauses"}
    told = json.loads(ask(*ON, "--format", "json", **changes).out)["explanation"]
    assert told["changes_on"] == {"day": "2027-01-16", "decision": "deny", "obligations": []}
    assert ask("--as-of", "2027-01-15", **changes).code == 0
    assert ask("--as-of", "2027-01-16", **changes).code == 2


def test_a_recorded_answer_is_saved_and_verifies_without_its_explanation(
    ask: Any, tmp_path: Path
) -> None:
    saved, state = tmp_path / "answer.json", tmp_path / "state"
    ran = ask("--state", state, "--save", saved, "--format", "json", **FAR)
    assert ran.code == 2
    answer = json.loads(saved.read_text())
    told = json.loads(ran.out)
    assert told["answer"] == answer
    assert told["explanation"]["would_permit"]
    trust = Trust.from_json((state / "trust.json").read_bytes())
    assert verify_decision(answer, trust, expect_request=question(**FAR)).decision == "deny"


def test_an_answer_is_shown_before_it_is_explained(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.errors import ConfigurationError
    from gateway.pdp import explanation

    def fail(*_: Any, **__: Any) -> None:
        raise ConfigurationError("no explanation today")

    monkeypatch.setattr(explanation, "explain", fail)
    saved = tmp_path / "answer.json"
    ran = ask("--state", tmp_path / "state", "--save", saved, **FAR)
    assert ran.code == 1
    assert "no explanation today" in ran.err
    assert ran.out.startswith("DENIED: place")
    assert json.loads(saved.read_text())["decision"] == "deny"


def test_the_catalogue_can_be_that_of_another_day(ask: Any) -> None:
    # The row of `lapsing` holds from 2026-11-20 until 2026-11-22.
    assert ask("--as-of", "2027-03-01", resource__id="lapsing").code == 1
    ran = ask("--as-of", "2027-03-01", "--known-on", "2026-11-22", resource__id="lapsing")
    assert ran.code == 0
    assert "2027-03-01" in ran.out


def test_on_is_another_name_of_as_of(ask: Any) -> None:
    assert ask("--on", "2026-11-22", **FAR).out == ask("--as-of", "2026-11-22", **FAR).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--url", "http://127.0.0.1:1"), "--explain needs the charters"),
        (("--url", "http://127.0.0.1:1", "--as-of", "2026-11-22"), "--as-of is a dry run here"),
        (("--known-on", "2026-11-22"), "--known-on is for a dry run: give --as-of as well"),
        (("--profile", "x"), "--profile is for a dry run: give --as-of as well"),
        (("--as-of", "2026-11-22", "--profile", "x"), "these charters declare no profile"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    ask: Any, options: tuple[str, ...], words: str
) -> None:
    ran = ask(*options, **FAR)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_a_name_in_the_question_cannot_steer_the_terminal(ask: Any) -> None:
    ran = ask(*ON, action__name="purge", context={"data": {"datasets": ["archive", "x\u202ey"]}})
    assert "\u202e" not in ran.out
