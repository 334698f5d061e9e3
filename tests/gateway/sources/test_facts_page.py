"""Every example of docs/facts.md is what the code reads and writes."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from ssl import create_default_context

from dsl.core import Origin
from dsl.facts import wire_value
from gateway.pdp.supplied import Status
from gateway.sources.allowed import allow
from gateway.sources.answer import read_answer
from gateway.sources.file import FileBackend
from gateway.sources.http import HttpBackend
from gateway.sources.interface import Key, Raw
from gateway.sources.settings import SourcesSettings
from gateway.sources.source import Terms
from tests.pack import pack
from tests.project import ROOT

PAGE = (ROOT / "docs" / "facts.md").read_text(encoding="utf-8")
BLOCKS = [match[2] for match in re.finditer(r"^```(json|toml)\n(.*?)^```$", PAGE, re.M | re.S)]


def test_every_example_is_tested() -> None:
    assert len(BLOCKS) == 5


def test_the_sources_are_those_of_the_installed_pack() -> None:
    settings = SourcesSettings.model_validate(tomllib.loads(BLOCKS[0]))
    names: list[set[str]] = []
    for one in settings.source:
        states = allow(pack().program, one.about, Origin(one.origin), one.states, "page")
        names.append(set(states.names()))
    assert names == [{"support_countries", "dpf_coverage"}, {"separate_backup"}]
    terms = settings.source[1].terms()
    assert terms == Terms("separate-backups", 0.2, terms.max_age, 1, 10_000)


def test_the_question_is_the_one_that_is_sent() -> None:
    backend = HttpBackend(
        "https://a.example/", True, create_default_context(), (), 1, None,
        "data.datasets", ["held.encrypted"],
    )  # fmt: skip
    sent = backend._sent(Key("ehr-lake", "clinic-a"))  # pyright: ignore[reportPrivateUsage]
    assert json.loads(sent.body or b"") == json.loads(BLOCKS[1])


def test_the_answer_is_read() -> None:
    document = json.loads(BLOCKS[2])
    fields = allow(pack().program, "site", Origin.CATALOGUE, list(document["facts"]), "page").fields
    answer = read_answer(Raw(document), Key("aws/eu-west-1"), fields)
    assert answer.unfit == []
    assert {n: wire_value(fields.facts[n], v) for n, v in answer.facts.items()} == document["facts"]


def test_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "facts.toml").write_text(BLOCKS[3])
    backend = FileBackend(tmp_path / "facts.toml")
    fields = allow(pack().program, "site", Origin.CATALOGUE, ["separate_backup"], "page").fields
    observed: list[datetime] = []
    for key in sorted(backend.rows(), key=lambda one: one.id):
        raw = backend.read(key)
        assert raw is not None
        observed.append(read_answer(raw, key, fields).observed_at)
    assert observed == [
        datetime(2026, 11, 21, 16, tzinfo=UTC), datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    ]  # fmt: skip


def test_every_status_is_explained() -> None:
    listed = re.findall(r"^\| `([a-z]+)` \| ", PAGE.partition("### When it fails")[2], re.M)
    assert listed[0] == "status"
    assert listed[1:] == [status.value for status in Status]
