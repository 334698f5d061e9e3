"""Rows of a ledger say what its records say; a file of them is whole or not there."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dsl.compile import compile_charters
from dsl.source import SourceText
from gateway import bundle
from gateway.keeping.errors import ExportError, SnapshotError
from gateway.keeping.export import Wanted, decision_rows, export, write_ndjson
from gateway.keeping.parquet import write_parquet
from gateway.keeping.rows import DECISIONS, Row
from gateway.keeping.zones import ZONES, zone_rows
from gateway.kept import keep
from gateway.ledger.log import Log
from gateway.self_check import TENANT, own_record
from gateway.state import State, open_state
from tests.gateway.keeping.states import NOW, ORIGIN, damage, decided_state, make_state
from tests.gateway.world import BASELINE, VOCABULARY, Clock, sites
from tests.project import ROOT

LAW = """\
charter eu.gdpr.transfers
  title "A law with the names of the real one"
  law GDPR "Regulation (EU) 2016/679" celex 32016R0679
  time zone Europe/Brussels
  as of 2026-11-22
import test.words

zone ADEQUATE "Adequate" member US cites "Decision (EU) 2021/1772" celex 32021D1772
                                from 2021-06-28 until 2031-12-27

rule protected-destination "Personal data stays where protection is equal"
  cites GDPR art 44
  on place, flow
  when data.labels has personal
  require destination.countries within EEA
  except adequacy "The destination is adequate"
    cites GDPR art 45
    when destination.countries within EEA + ADEQUATE
    oblige keep-record within 30 days
  because "The law says so."
  remedy "Choose another site."
  example "adequate" is permitted with keep-record
    data.labels = {health}
    destination = far
  example "not known where" is undetermined
    data.labels = {health}
    destination = vague
"""
MILAN: dict[str, Any] = {
    "node": "n1",
    "technology": "sev-snp",
    "product": "Milan",
    "firmware": {"microcode": 72, "snp": 8},
    "verdict": "accepted",
    "policy": {"id": "operator/strict"},
}
NEWER: dict[str, Any] = {"node": "n2", "firmware": {"microcode": 73}}
DIGEST = "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"


@cache
def law() -> bundle.Bundle:
    texts = {"words.charter": VOCABULARY, "law.charter": LAW, "baseline.charter": BASELINE}
    compiled = compile_charters([SourceText(name, text) for name, text in texts.items()])
    return bundle.build(compiled, sites(compiled.require()[1]).raw_facts())


def with_evidence(state: State, log: Log) -> None:
    """A record that names evidence, as those of attested workloads will."""
    says = {"quote": DIGEST, "chain": [{"certificate": DIGEST[7:]}], "facts": []}
    members: dict[str, Any] = {"evidence": [says, MILAN, MILAN | NEWER], "facts": []}
    body = own_record("with-evidence", NOW, "place", members, state.decision_key)
    log.append("with-evidence", TENANT, body).result(timeout=30)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "state"
    changes: list[dict[str, object]] = [
        {"resource__id": "far"},
        {},
        {"resource__id": "vague"},
        {"resource__id": "closed"},
    ]
    decided_state(folder, changes, law())
    opened = open_state(folder)
    with opened.open_ledger(Clock(datetime(2026, 11, 23, tzinfo=UTC))) as log:
        with_evidence(opened, log)
    keep(folder, law(), sites(law().program), [])
    return folder


def rows(state: Path, **wanted: Any) -> list[Row]:
    return list(decision_rows(state / "ledger", Wanted(**wanted)))


# --- what a row says -----------------------------------------------------------------


def test_a_row_says_what_the_record_says(state: Path) -> None:
    permit = rows(state)[0]
    assert permit.keys() == DECISIONS.keys()
    assert (permit["verdict"], permit["site"], permit["countries"]) == ("permit", "far", ["US"])
    assert permit["kind"] == "decision"
    adequacy = "eu.gdpr.transfers/protected-destination/adequacy"
    assert adequacy in permit["rules"]  # pyright: ignore[reportOperatorIssue]
    assert permit["obligations"] == [{"id": "keep-record", "rule": adequacy, "due": "2026-12-22"}]
    assert permit["bundle"] == law().digest
    refused = rows(state)[2]
    assert refused["verdict"] == "indeterminate"
    assert refused["missing"] == ["destination.countries"]


def test_evidence_is_found_wherever_it_is_named(state: Path) -> None:
    assert [row["evidence"] for row in rows(state)][-2:] == [[], [DIGEST]]


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"tenant": TENANT}, [4]),
        ({"tenant": "nobody"}, []),
        ({"first": 3}, [3, 4]),
        ({"first": 99}, []),
        ({"since": datetime(2026, 11, 23, tzinfo=UTC)}, [4]),
        ({"until": datetime(2026, 11, 23, tzinfo=UTC)}, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_only_what_is_wanted_is_given(
    state: Path, wanted: dict[str, object], indices: list[int]
) -> None:
    assert [row["index"] for row in rows(state, **wanted)] == indices


def test_columns_can_be_left_out(state: Path) -> None:
    (first, *_) = rows(state, without=frozenset({"facts", "tenant"}))
    assert first.keys() == DECISIONS.keys() - {"facts", "tenant"}


def test_a_column_that_is_none_is_refused(state: Path) -> None:
    with pytest.raises(ExportError, match="no column `fact`"):
        rows(state, without=frozenset({"fact"}))


def test_a_record_that_is_none_is_refused(tmp_path: Path) -> None:
    opened = open_state(tmp_path, origin=ORIGIN)
    with opened.open_ledger() as log:
        for number, body in enumerate((b"{}", b"no JSON", b'{"payload":"e30=","signatures":[]}')):
            log.append(f"entry-{number}", "clinic-a", body).result(timeout=30)
    for first in range(3):
        with pytest.raises(ExportError, match=f"entry {first} is no record"):
            rows(tmp_path, first=first)


def test_an_erased_entry_leaves_a_row_without_content(tmp_path: Path) -> None:
    folder = make_state(tmp_path / "state", 3).folder
    erased = (
        "UPDATE body SET form = 5, salt = zeroblob(32), data = zeroblob(length(data)) "
        "WHERE idx = 1;; INSERT INTO erasure VALUES (1, 2)"
    )
    damage(folder, erased)
    row = rows(folder)[1]
    assert (row["kind"], row["erased_by"], row["verdict"]) == ("erased", 2, None)
    assert len(str(row["leaf"])) == 64


# --- files ---------------------------------------------------------------------------


def parquet(columns: Any = DECISIONS) -> Callable[..., int]:
    return partial(write_parquet, columns=columns)


def test_parquet_holds_the_same_rows_as_ndjson(state: Path, tmp_path: Path) -> None:
    lines, file = tmp_path / "d.ndjson", tmp_path / "d.parquet"
    assert export(rows(state), lines, write_ndjson) == 5
    assert export(rows(state), file, parquet()) == 5
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE FROM '{file}'").fetchall()
        kinds = {name: kind for name, kind, *_ in described}
        query = f"SELECT index, id, rules, evidence, leaf, facts FROM '{file}' ORDER BY index"  # noqa: S608
        found = connection.execute(query).fetchall()
    assert [
        (one["index"], one["id"], one["rules"], one["evidence"], one["leaf"], one["facts"])
        for one in told
    ] == [tuple(row) for row in found]
    assert list(kinds) == list(DECISIONS)
    assert (kinds["decided_at"], kinds["index"]) == ("TIMESTAMP WITH TIME ZONE", "BIGINT")
    assert file.stat().st_mode & 0o777 == 0o600


def _fail() -> Iterator[Row]:
    yield {"index": 1}
    raise ExportError("the source is broken")


@pytest.mark.parametrize("write", [write_ndjson, parquet({"index": "BIGINT"})])
def test_what_breaks_off_leaves_no_file(write: Callable[..., int], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="the source is broken"):
        export(_fail(), tmp_path / "d", write)
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_does_not_fit_its_column_leaves_no_file(tmp_path: Path) -> None:
    many: list[Row] = [{"index": "no number"}] * 20_000
    with pytest.raises(ExportError, match="DuckDB cannot write"):
        export(many, tmp_path / "d.parquet", parquet({"index": "BIGINT"}))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(state: Path, tmp_path: Path) -> None:
    (tmp_path / "d").write_text("kept")
    with pytest.raises(ExportError, match="exists already"):
        export(rows(state), tmp_path / "d", write_ndjson)
    assert (tmp_path / "d").read_text() == "kept"


def test_a_folder_that_is_not_there_is_an_error(state: Path, tmp_path: Path) -> None:
    for write in (write_ndjson, parquet()):
        with pytest.raises(ExportError, match="cannot write"):
            export(rows(state), tmp_path / "none" / "d", write)


def test_no_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError):
        rows(tmp_path)


# --- the questions of the page -------------------------------------------------------

PAGE = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^([A-Z][^\n]*\?)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
EXPECTED: dict[str, Callable[[list[tuple[Any, ...]]], bool]] = {
    "Which placements rested on this adequacy": lambda found: (
        [one[2:] for one in found] == [("far", "US", "Decision (EU) 2021/1772")]
    ),
    "Which placements rested on this certificate": lambda found: (
        [one[0] for one in found] == ["with-evidence"]
    ),
    "Which permits rest on this product line": lambda found: (
        [(one[0], *one[4:]) for one in found] == [("with-evidence", "n1", "operator/strict")]
    ),
    "What runs at this site": lambda found: [one[:2] for one in found] == [("clinic-a", 1)],
    "Which permits rest on this article": lambda found: len(found) == 1,
    "Which facts did nobody state": lambda found: found == [("destination.countries", 1)],
    "Which duties fall due": lambda found: (
        [one[:2] for one in found] == [("2026-12-22", "keep-record")]
    ),
}


@pytest.fixture(scope="module")
def exported(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    # The record of evidence was of our own making: it denies, and no permit names evidence yet.
    told = [row | {"verdict": "permit"} if row["index"] == 4 else row for row in rows(state)]
    export(told, folder / "decisions.parquet", parquet())
    zones = zone_rows(law().digest, law().files)
    export(zones, folder / "zones.parquet", parquet(ZONES))
    return folder


def test_every_question_of_the_page_is_tested() -> None:
    assert len(QUESTIONS) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_the_questions_of_the_page_are_answered(
    number: int, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, query = QUESTIONS[number]
    (expected,) = [right for name, right in EXPECTED.items() if asked.startswith(name)]
    monkeypatch.chdir(exported)
    query = query.replace("aws/eu-west-2", "far").strip().rstrip(";")
    with duckdb.connect() as connection:
        relation = connection.sql(query)
        # Instants as text: Python would need a library of time zones for them.
        columns = [
            f'"{name}"::VARCHAR AS "{name}"' if "TIME ZONE" in str(kind) else f'"{name}"'
            for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        found = connection.sql(f"SELECT {', '.join(columns)} FROM ({query})").fetchall()  # noqa: S608
    assert expected(found), found


def test_zones_say_on_what_a_member_rests() -> None:
    found = [row for row in zone_rows("sha256:x", law().files) if row["zone"] == "ADEQUATE"]
    assert found == [
        {
            "bundle": "sha256:x",
            "charter": "eu.gdpr.transfers",
            "zone": "ADEQUATE",
            "title": "Adequate",
            "member": "US",
            "basis": "Decision (EU) 2021/1772",
            "celex": "32021D1772",
            "first_day": "2021-06-28",
            "last_day": "2031-12-27",
        }
    ]


def test_a_bundle_without_sources_has_no_zones() -> None:
    assert list(zone_rows("sha256:x", {"core.json": b"{}", "sources/x.charter": b"charter"})) == []
