"""A search finds what asking about each entity alone finds, whatever the catalogue, on both
engines."""

import asyncio
import copy
import tomllib
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.compile import compile_charters
from dsl.core import Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from dsl.source import SourceText
from gateway.errors import EngineUnavailableError, OverloadedError, RequestError
from gateway.pdp import catalogue
from gateway.pdp.decision import Outcome
from gateway.pdp.engines import make_engines
from gateway.pdp.judge import Judge
from gateway.pdp.lenient import Lenient
from gateway.pdp.search import Searched, Searcher
from tests.gateway.world import NOW, FakeEngine

# Of every kind: sets, levels, numbers, dates, maps, lists; facts of a site compared with facts
# of the request; duties and preferences that depend on a site; derived facts of either.
CHARTER = """\
charter test.where
  title "Where"
  law LEX "A law"
  time zone UTC
  as of 2026-11-22

action place "Run"
action flow  "Move"
enumeration country "Country" of BE, FR, US
enumeration key "Key" of k-a, k-b
levels seal "Seal" of low < high
structure holder "Holder" field country country field share number of percent

entity site "Site"
  field countries set of country
  field open      yes or no
  field load      number of items
  field since     date
  field seals     map of key to seal
  field holders   list of holder "Holders"

record destination "To"   is site from catalogue at resource on place, flow
record origin      "From" is site from catalogue at context.origin on flow
record want "Wanted" from request at context.want
  field countries set of country
  field secret    yes or no
obligation tell "Tell"

derive destination.foreign as the sum of destination.holders.share
  where holders.country = US
derive want.near "As wanted" as whether destination.countries within want.countries

rule open "Open sites"
  cites LEX section 1
  on place, flow
  permit
  when destination.open
  oblige tell
  because "Open."
  remedy "Open it."
rule wanted "Where it is wanted"
  cites LEX section 2
  on place
  when want.secret
  require want.near
  except sealed "Sealed"
    cites LEX section 2
    when destination.seals[k-a] at least high
    oblige tell
  because "Wanted."
  remedy "Want less."
rule owned "Not owned from afar"
  cites LEX section 3
  on place, flow
  forbid
  when destination.foreign more than 50 percent
  because "Owned."
  remedy "Sell."
rule old "Not too new"
  cites LEX section 4
  on flow
  require destination.since before today - 10 days
  because "New."
  remedy "Wait."
rule apart "From FR only to FR"
  cites LEX section 5
  on flow
  when origin.countries has FR
  require destination.countries within {FR}
  because "Apart."
  remedy "Stay."
rule idle "Idle sites"
  cites LEX section 6
  on place, flow
  prefer 5
  when destination.load at most 10 items
  because "Idle."
rule idler "Idler sites"
  cites LEX section 6
  on place, flow
  prefer 2
  when destination.load at most 3 items
  because "Idle."
"""


@cache
def program() -> Program:
    result = compile_charters([SourceText("where.charter", CHARTER)])
    _, made = result.require()
    return made


@cache
def engines() -> Any:
    return make_engines(("cedar", "rego"), program(), opa_url=None)


countries: st.SearchStrategy[Any] = st.lists(
    st.sampled_from(["BE", "FR", "US"]), min_size=1, unique=True
)
facts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "countries": countries,
        "open": st.sampled_from([True, True, False]),
        "load": st.integers(0, 14),
        "since": st.sampled_from(["2026-11-11", "2026-11-12", "2026-11-13"]),
        "seals": st.dictionaries(st.sampled_from(["k-a", "k-b"]), st.sampled_from(["low", "high"])),
        "holders": st.lists(
            st.fixed_dictionaries(
                {"share": st.sampled_from(["20", "50", "50.01"])},
                optional={"country": st.just("US")},
            ),
            max_size=2,
        ),
    },
)
HEAD = tomllib.loads('format = "charter-catalogue/v1"\ntitle = "t"\nas_of = 2026-11-22')
DAY = tomllib.loads("d = 2026-01-01")["d"]


def sites(stated: list[dict[str, Any]]) -> catalogue.Catalogue:
    rows = [
        {"id": f"s/{n}", "valid_from": DAY, "source": "made up", "facts": one}
        for n, one in enumerate(stated)
    ]
    lapsed: dict[str, Any] = {
        "id": "s/lapsed",
        "valid_from": DAY,
        "valid_until": DAY,
        "source": "x",
        "facts": {},
    }
    raw: dict[str, Any] = {**copy.deepcopy(HEAD), "site": [*rows, lapsed]}
    return catalogue.build(raw, program(), name="sites")


wants: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"countries": countries, "secret": st.booleans(), "unknown": st.just(1)}
)
_NONE: list[dict[str, Any]] = []
claimed_facts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "open": st.booleans(),
        "load": st.integers(0, 4),
        "countries": countries,
        "holders": st.just(_NONE),
    },
)
claims = st.one_of(st.just(dict[str, Any]()), claimed_facts)


def asked(action: str, want: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "subject": {"type": "w", "id": "w"},
        "action": {"name": action},
        "resource": {"type": "site", "properties": properties},
        "context": {"want": want},
    }
    if action == "flow":
        body["context"]["origin"] = {"type": "site", "id": "s/0"}
    return body


async def both(
    known: catalogue.Catalogue, body: dict[str, Any]
) -> tuple[Searched, dict[str, tuple[Any, ...]]]:
    """What a search says, and what asking about each site alone does."""
    judge = Judge(program(), known, engines(), remember=0)
    searched = await Searcher(program(), known, judge, limit_s=60).entities(
        body, "resource", now=NOW, tenant="t"
    )
    lenient = Lenient(program())
    alone: dict[str, tuple[Any, ...]] = {}
    for entity_id in known.entries["site"]:
        one = lenient.read({**body, "resource": {**body["resource"], "id": entity_id}})
        try:
            judged = await judge.judge(one.request, now=NOW, tenant="t", claims=one.claims)
        except RequestError:
            continue
        alone[entity_id] = what(judged)
    return searched, alone


def what(judged: Any) -> tuple[Any, ...]:
    decision = judged.decision
    return (
        decision.outcome,
        [(reason.rule.id, reason.status) for reason in decision.reasons],
        [missing.path for missing in decision.missing],
        [duty.duty.id for duty in decision.duties],
        sum(preferred.rule.weight for preferred in decision.preferences),
        judged.combined.incident,
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(facts, min_size=1, max_size=7), st.sampled_from(["place", "flow"]), wants, claims)
def test_a_search_is_equal_to_asking_about_each_alone(
    stated: list[dict[str, Any]], action: str, want: dict[str, Any], claimed: dict[str, Any]
) -> None:
    searched, alone = asyncio.run(both(sites(stated), asked(action, want, claimed)))
    assert {one.id: what(one.judged) for one in searched.candidates} == alone
    order = [(not one.permitted, -one.preference, one.id) for one in searched.candidates]
    assert order == sorted(order)


TOLD_APART: list[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    # By a value that is compared with one of the request.
    ([{"open": True, "countries": ["BE"], "holders": []},
      {"open": True, "countries": ["US"], "holders": []}],
     {"secret": True, "countries": ["BE"]}, {}),
    # By a value that the caller disputes, where no condition tells them apart.
    ([{"open": True, "load": 2, "holders": []}, {"open": True, "load": 3, "holders": []}],
     {"secret": False}, {"load": 2}),
    ([{"open": True, "holders": []}, {"open": True, "holders": [{"share": "20"}]}],
     {"secret": False}, {"holders": []}),
    # By a value that only what is derived from it reads, and that the caller disputes.
    ([{"countries": ["BE"], "holders": []}, {"countries": ["US"], "holders": []}],
     {}, {"countries": ["BE"]}),
    # By what is not known.
    ([{"open": True, "holders": []}, {"open": True}], {"secret": False}, {}),
    ([{"open": False, "holders": []}, {"holders": []}], {"secret": False}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("stated", "want", "claimed"), TOLD_APART)
@pytest.mark.parametrize("turned", [False, True])
def test_sites_that_differ_in_one_thing_that_matters_get_two_answers(
    stated: list[dict[str, Any]], want: dict[str, Any], claimed: dict[str, Any], turned: bool
) -> None:
    known = sites(stated[::-1] if turned else stated)
    searched, alone = asyncio.run(both(known, asked("place", want, claimed)))
    assert {one.id: what(one.judged) for one in searched.candidates} == alone
    assert alone["s/0"] != alone["s/1"]


# --- what is not found, and when nothing is ------------------------------------------

PLENTY = [{"open": True, "load": n % 3, "countries": ["BE"], "holders": []} for n in range(40)]
SEARCH = asked("place", {"secret": False}, {})


def search(judge: Judge, known: catalogue.Catalogue, **more: Any) -> Searched:
    searcher = Searcher(program(), known, judge, **more)
    return asyncio.run(searcher.entities(SEARCH, "resource", now=NOW, tenant="t"))


def test_the_engines_are_asked_once_for_sites_that_share_an_answer() -> None:
    counting = FakeEngine("one", _right)
    found = search(Judge(program(), sites(PLENTY), [counting]), sites(PLENTY))
    assert (len(found.candidates), found.asked, counting.asked) == (40, 1, 1)
    assert all(one.permitted and one.preference == 7 for one in found.candidates)


async def _right(question: Question) -> Answer:
    return evaluate(program(), question)


async def _yes(question: Question) -> Answer:
    return Answer(frozenset(), frozenset({"test.where/open"}))


async def _no(question: Question) -> Answer:
    return Answer(frozenset({"test.where/owned"}), frozenset())


@pytest.mark.parametrize(
    "wrong", [[_yes], [_no], [_right, _no], [_yes, _no]], ids=["yes", "no", "differ", "opposite"]
)
def test_engines_that_differ_from_each_other_or_the_definition_find_nothing(
    wrong: list[Any],
) -> None:
    known = sites(PLENTY)
    judge = Judge(program(), known, [FakeEngine(str(n), one) for n, one in enumerate(wrong)])
    for one in search(judge, known).candidates:
        assert one.judged.decision.outcome is Outcome.INDETERMINATE
        assert one.judged.combined.incident is not None
    assert search(judge, known).unanswered == 40


@pytest.mark.parametrize(("late", "permitted"), [(1, 40), (2, 0)], ids=["once", "twice"])
def test_an_engine_that_gives_no_answer_is_asked_once_more_and_then_it_is_said(
    late: int, permitted: int
) -> None:
    left = [EngineUnavailableError("one", "late")] * late

    async def answer(question: Question) -> Answer:
        if left:
            raise left.pop()
        return evaluate(program(), question)

    known = sites(PLENTY)
    found = search(Judge(program(), known, [FakeEngine("one", answer)]), known)
    assert [one.permitted for one in found.candidates].count(True) == permitted
    assert found.unanswered == len(found.candidates) - permitted
    assert len(found.candidates) == 40


def test_a_search_that_takes_too_long_is_no_answer() -> None:
    known = sites(PLENTY)
    with pytest.raises(OverloadedError):
        search(Judge(program(), known, [FakeEngine("one", _right)]), known, limit_s=-1)


def test_what_lapsed_or_is_of_another_type_is_no_candidate() -> None:
    known = sites(PLENTY)
    judge = Judge(program(), known, [FakeEngine("one", _right)])
    ids = {one.id for one in search(judge, known).candidates}
    assert "s/lapsed" not in ids
    searcher = Searcher(program(), known, judge)
    for resource in ({"type": "sight"}, {"type": "Site"}):
        body = {**SEARCH, "resource": resource}
        found = asyncio.run(searcher.entities(body, "resource", now=NOW, tenant="t"))
        assert found.candidates == ()
    nobody = asyncio.run(searcher.entities(
        {**SEARCH, "subject": {"type": "w"}, "resource": {"type": "site", "id": "s/0"}},
        "subject", now=NOW, tenant="t"))  # fmt: skip
    assert nobody.candidates == ()
