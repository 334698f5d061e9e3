"""Decisions of format 1 that were recorded on 2026-11-22, with the rules of that day: they come
out the same for ever, to the letter.

`records.jsonl` and `bundles/` are kept as they were written. Where this fails, a decision means
something else than it did, or is told in other words: that is a new version of the record, with
records of its own beside these.
"""

import json
import shutil
from pathlib import Path

import pytest

from gateway.kept import kept_bundle, kept_digests
from tests.gateway.replay.worlds import Past, plain

KEPT = Path(__file__).resolve().parents[2] / "fixtures" / "replay_v1"
DECISIONS = 13


@pytest.fixture
def past(tmp_path: Path) -> Past:
    past = Past(tmp_path)
    shutil.copytree(KEPT / "bundles", past.state / "bundles")
    rows = [json.loads(line) for line in (KEPT / "records.jsonl").read_text().splitlines()]
    with past.open_ledger() as log:
        for one in rows:
            log.append(one["id"], one["tenant"], one["body"].encode()).result()
    return past


def test_kept_decisions_come_out_to_the_letter(past: Past) -> None:
    found = past.replay(engines=("reference", "cedar", "rego"))
    assert plain(found) == {
        "decisions": DECISIONS, "same": DECISIONS, "changed": 0, "cannot_tell": 0,
    }  # fmt: skip
    assert (found.words, found.from_facts, found.own) == (0, 0, 1)


def test_kept_bundles_are_read_under_their_digests(past: Past) -> None:
    bundles, catalogues = kept_digests(past.state)
    assert (len(bundles), len(catalogues)) == (1, 2)
    assert kept_bundle(past.state, bundles[0]) is not None


def test_a_kept_decision_that_would_be_told_otherwise_is_found(past: Past) -> None:
    past.rewrite(lambda predicate: predicate["grounds"][0].update(title="Otherwise"))
    found = past.replay()
    assert [change.kind for change in found.groups] == ["other words in grounds"]
