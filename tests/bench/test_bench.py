"""That what `make bench` starts still starts and answers rightly. No time is looked at.

Other people's servers are asked where `make bench-peers` built them; nothing of the project
depends on them.
"""

import copy
import json
import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsl.fold import paths_read
from gateway.errors import LedgerError
from gateway.ledger import storage
from gateway.state import open_state
from tests.bench import (
    arrivals,
    differing,
    generated,
    groups,
    load,
    long_ledger,
    many_sites,
    peers,
    table,
)
from tests.bench.servers import echo, pack
from tests.bench.target import NotBuiltError, Target, WrongAnswerError
from tests.opa import require_opa
from tests.project import ROOT

TABLES = groups.tables(rules=(20,))
MAKERS = {maker.name: maker for group in TABLES for maker in group.makers}
ENTRIES = 700  # more than two tiles


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[groups.Place]:
    with ExitStack() as stack:
        yield groups.Place(stack, tmp_path_factory.mktemp("bench"), ENTRIES)


@pytest.fixture(scope="module")
def echoing() -> Generator[Target]:
    with ExitStack() as stack:
        yield echo(stack, b'{"said": 1}')


# --- servers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_each_server_permits_its_question_and_not_the_one_to_refuse(
    name: str, place: groups.Place
) -> None:
    if "OPA" in name:
        require_opa()
    try:
        target = MAKERS[name].make(place)
    except NotBuiltError as error:
        pytest.skip(str(error))
    assert target.refused is not None
    target.check()
    # Both the other way round, each must be noticed.
    with pytest.raises(WrongAnswerError):
        replace(target, body=target.refused, refused=None).check()
    with pytest.raises(WrongAnswerError):
        replace(target, refused=target.body).check()


def test_the_echo_says_what_was_said(echoing: Target) -> None:
    echoing.check()


def anything(_: bytes) -> bool:
    return True


WRONG: dict[str, dict[str, Any]] = {
    "permits everything": {"permits": anything, "refused": b"{}"},
    "permits nothing": {"permits": lambda _: False},  # pyright: ignore[reportUnknownLambdaType]
    "knows no such place": {"url": "/nowhere", "permits": anything},
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_server_that_answers_wrongly_is_not_measured(fault: str, echoing: Target) -> None:
    changes = WRONG[fault]
    if "url" in changes:
        changes = changes | {"url": echoing.url + changes["url"]}
    with pytest.raises(WrongAnswerError):
        replace(echoing, **changes).check()


def test_a_program_that_is_not_there_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_CERBOS", str(tmp_path / "cerbos"))
    with pytest.raises(NotBuiltError, match="make bench-peers"):
        peers.find(peers.CERBOS)
    (tmp_path / "cerbos.reason").write_text("there is no Go\n", encoding="utf-8")
    with pytest.raises(NotBuiltError, match="there is no Go"):
        peers.find(peers.CERBOS)
    (tmp_path / "cerbos").touch(mode=0o600)  # not a program
    with pytest.raises(NotBuiltError):
        peers.find(peers.CERBOS)


def test_rules_for_others_are_those_of_the_charters(tmp_path: Path) -> None:
    folder = generated.write_charters(tmp_path / "law", 45)
    text = "".join(path.read_text("utf-8") for path in sorted(folder.glob("part-*.charter")))
    stated = list(generated.stated(45))
    assert text.count("\nrule ") == len(stated) == 45
    for rule in stated:
        _, _, after = text.partition(f"\nrule stays-{rule.number} ")
        own, _, _ = after.partition("\nrule ")
        assert f"data.labels has {rule.label}\n" in own
        assert f"transfer.age at most {rule.days} days\n" in own


# --- load ----------------------------------------------------------------------------


def test_arrivals_are_all_answered_and_counted(echoing: Target) -> None:
    found = arrivals.arriving(echoing, 200, 0.3)
    assert found.failed == 0
    assert 0 < found.p50_ms <= found.p99_ms
    assert 0 < found.per_second < 1000


def test_arrivals_that_are_refused_count_as_failed(echoing: Target) -> None:
    found = arrivals.arriving(replace(echoing, url=f"{echoing.url}nowhere"), 200, 0.2)
    assert found.failed > 0
    assert found.per_second == 0


@pytest.mark.parametrize(("path", "fails"), [("", False), ("nowhere", True)])
def test_the_load_generator_tells_answers_from_refusals(
    path: str, fails: bool, echoing: Target
) -> None:
    hey = os.environ.get("CHARTER_HEY") or shutil.which("hey", path=str(ROOT / ".tools"))
    if hey is None:
        pytest.skip("no hey: run `make bench`")
    found = load.closed(hey, replace(echoing, url=echoing.url + path), 2, 0.2)
    assert (found.failed > 0, found.per_second == 0) == (fails, fails)
    assert len(found.resident_mb) == 1


def test_questions_that_differ_are_all_answered_and_no_two_are_alike(echoing: Target) -> None:
    marked = replace(echoing, body=b'{"n": %d}' % differing.MARK)
    found = differing.closed(marked, 3, 0.2)
    assert found.failed == 0
    assert 0 < found.p50_ms <= found.p99_ms
    bodies = [body for body, _ in zip(differing.bodies(marked.body), range(1000), strict=False)]
    assert len(set(bodies)) == 1000
    assert {len(body) for body in bodies} == {len(marked.body)}
    assert all(isinstance(json.loads(body)["n"], int) for body in bodies)


def test_questions_that_differ_and_are_refused_count_as_failed(echoing: Target) -> None:
    marked = replace(echoing, body=b"%d" % differing.MARK, url=f"{echoing.url}nowhere")
    found = differing.closed(marked, 2, 0.1)
    assert found.failed > 0
    assert found.per_second == 0


@pytest.mark.parametrize("body", [b"{}", b"%d %d" % (differing.MARK, differing.MARK)])
def test_without_one_mark_there_is_nothing_to_differ_in(body: bytes, echoing: Target) -> None:
    with pytest.raises(ValueError, match="one number"):
        differing.closed(replace(echoing, body=body), 1, 0.1)


def test_the_number_that_differs_is_one_that_rules_read() -> None:
    law = differing.law(pack())
    facts = law.joined(law.question).facts
    assert differing.MARK in facts.values()
    (path,) = (path for path, value in facts.items() if value == differing.MARK)
    assert path in paths_read(law.program())
    assert str(differing.MARK) not in json.dumps(pack().question)


def test_the_best_of_each_column_counts_and_every_failure() -> None:
    one, other = load.Result(10, 2.0, 9.0, 50, (30,), 1), load.Result(9, 1.0, 12.0, 40, (31, 5), 2)
    assert one.better(other) == load.Result(10, 1.0, 9.0, 40, (31, 5), 3)


def test_shares_are_of_the_row_with_as_many_connections() -> None:
    def row(name: str, rate: float, peer: str | None = None) -> tuple[Target, load.Result]:
        made = Target(name, "", b"", {}, 0, anything, peer=peer)
        return made, load.Result(rate, 1, 2, 3, (4,), 0)

    (echoed, fast), (opa, half), (ours, slow) = (
        row("echo of", 1000), row("stock OPA", 50), row("charter", 25, "stock OPA")
    )  # fmt: skip
    rows = {(echoed, 1): fast, (opa, 1): half, (ours, 1): slow, (ours, 32): fast}
    *_, one, many = table.loaded(rows).splitlines()
    assert one.endswith("| 2.5% | 50% |")
    assert many.endswith("|  |  |")


# --- the long ledger and the many sites ------------------------------------------------


def test_a_long_ledger_is_one_that_opens_and_proves(tmp_path: Path) -> None:
    long_ledger.make(tmp_path / "state", ENTRIES)
    with open_state(tmp_path / "state").open_ledger() as log:
        assert log.size == ENTRIES
        for index in (0, 255, 256, ENTRIES - 1):
            entry = log.get_at(index)
            assert entry is not None
            assert log.proof(entry.id) is not None
        assert log.consistency(300, ENTRIES)


def test_a_long_ledger_with_an_entry_taken_away_does_not_open(tmp_path: Path) -> None:
    long_ledger.make(tmp_path / "state", ENTRIES)
    connection = storage.open_connection(tmp_path / "state" / "ledger" / storage.DATABASE)
    connection.execute("DROP TRIGGER record_refuses_DELETE")
    connection.execute("DELETE FROM record WHERE idx = ?", (ENTRIES - 1,))
    connection.close()
    with pytest.raises(LedgerError, match="damaged"):
        open_state(tmp_path / "state").open_ledger()


def test_a_search_over_many_sites_is_as_asking_one_by_one(tmp_path: Path) -> None:
    sites = 60
    law = pack()
    with ExitStack() as stack:
        running = many_sites.serving(stack, tmp_path, law, sites)
        first, again, other, reasons, page = many_sites.measure(running, law)
        assert first.found == again.found
        assert reasons.found == other.found
        assert reasons.found + reasons.refused == sites
        assert 0 < other.found < first.found
        assert page.found == min(100, other.found)
        permitted = 0
        for number in range(sites):
            question = copy.deepcopy(law.refused)
            question["resource"]["id"] = f"bench/{number}"
            permitted += running.decide(question)["decision"] == "permit"
        assert permitted == other.found
