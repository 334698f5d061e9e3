"""One source in time: asked once, kept, left alone when it fails, and believed again."""

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dsl.core import Origin
from dsl.facts import Value
from gateway.errors import ConfigurationError, FactSourceError, FetchTimeoutError
from gateway.pdp.supplied import Named, Statement, Status, Supplied
from gateway.record.canonical import Json
from gateway.sources import load
from gateway.sources.answer import read_answer
from gateway.sources.breaker import FAILURES, FIRST_S, LAST_S, Breaker
from gateway.sources.interface import Key, Raw
from gateway.sources.source import AGAIN_S, OPEN
from tests.gateway.sources.parts import Seconds, Told, answer, program, source
from tests.gateway.world import NOW, run

AWAY = FactSourceError("unreachable", "books: ConnectionRefusedError")


def failing(error: Exception) -> Told:
    def tell(_: Key) -> Json:
        raise error

    return Told(tell)


def answers(_: Key) -> Json:
    return answer()


def statuses(found: list[Statement]) -> list[str]:
    return [one.status.value for one in found]


async def asked_in_turn(of: Any, times: int, id: str = "near") -> list[str]:
    return statuses([await of.ask(Key(id), NOW) for _ in range(times)])


# --- kept and shared -----------------------------------------------------------------


def test_those_who_ask_at_once_are_told_one_answer() -> None:
    def slow(_: Key) -> Json:
        time.sleep(0.05)
        return answer()

    async def many() -> list[Statement]:
        return list(await asyncio.gather(*(books.ask(Key("near"), NOW) for _ in range(50))))

    told = Told(slow)
    books = source(told)
    assert set(statuses(run(many()))) == {"stated"}
    assert told.asked == [Key("near")]
    assert threading.get_ident() not in told.threads


def test_one_who_goes_away_takes_no_answer_from_the_others() -> None:
    def slow(_: Key) -> Json:
        time.sleep(0.1)
        return answer()

    async def two() -> Statement:
        first = asyncio.create_task(books.ask(Key("near"), NOW))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(books.ask(Key("near"), NOW))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second

    books = source(Told(slow))
    assert run(two()).status.value == "stated"


@pytest.mark.parametrize("document", [answer(), None])
def test_an_answer_is_used_for_its_time_and_no_longer(document: Json) -> None:
    seconds, told = Seconds(), Told(lambda _: document)
    books = source(told, keep_s=60, seconds=seconds)

    async def asking() -> list[int]:
        counts: list[int] = []
        for step in (0, 59.9, 0.1, 0):
            seconds.now += step
            await books.ask(Key("near"), NOW)
            counts.append(len(told.asked))
        return counts

    assert run(asking()) == [1, 1, 2, 2]


def test_an_answer_that_is_too_old_is_asked_for_again_after_a_moment() -> None:
    seconds, told = Seconds(), Told(lambda _: answer(observed_at="2026-11-22T09:00:00Z"))
    books = source(told, keep_s=60, seconds=seconds)

    async def asking() -> list[str]:
        first = await asked_in_turn(books, 3)
        assert len(told.asked) == 1
        seconds.now += AGAIN_S
        told.tell = answers
        return first + await asked_in_turn(books, 2)

    assert run(asking()) == ["stale"] * 3 + ["stated"] * 2
    assert len(told.asked) == 2


def test_no_more_answers_are_kept_than_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(lambda key: answer(key.id))
    books = source(told)
    monkeypatch.setattr(books._kept, "_size", 2)  # pyright: ignore[reportPrivateUsage]

    async def asking() -> None:
        for one in ("a", "b", "c", "c", "b", "a"):
            await books.ask(Key(one), NOW)

    run(asking())
    assert [key.id for key in told.asked] == ["a", "b", "c", "a"]


# --- failing -------------------------------------------------------------------------


def test_a_source_that_hangs_is_late_in_time_and_blocks_nobody() -> None:
    gate = threading.Event()

    def hang(_: Key) -> Json:
        gate.wait(5)
        return answer()

    async def asking() -> float:
        began = time.perf_counter()
        found = await asyncio.gather(*(books.ask(Key(f"s{n}"), NOW) for n in range(OPEN + 10)))
        took = time.perf_counter() - began
        assert set(statuses(list(found))) == {"late", "busy"}
        assert statuses(list(found)).count("busy") == 10
        gate.set()
        return took

    books = source(Told(hang), timeout_s=0.1)
    assert run(asking()) < 1


def test_a_source_that_fails_is_left_alone_and_tried_again() -> None:
    seconds, told = Seconds(), failing(AWAY)
    books = source(told, seconds=seconds)

    async def asking() -> None:
        assert await asked_in_turn(books, 5) == ["unreachable"] * 3 + ["suspended"] * 2
        seconds.now += FIRST_S
        assert await asked_in_turn(books, 2) == ["unreachable", "suspended"]
        seconds.now += FIRST_S
        assert await asked_in_turn(books, 1) == ["suspended"]
        seconds.now += FIRST_S
        told.tell = answers
        assert await asked_in_turn(books, 2) == ["stated", "stated"]

    run(asking())
    assert len(told.asked) == 5


def test_a_source_that_is_back_is_asked_again_within_half_a_minute() -> None:
    seconds = Seconds()
    breaker = Breaker(seconds)
    waits: list[float] = []
    for _ in range(FAILURES):
        assert breaker.admit()
        breaker.failed()
    for _ in range(20):
        began = seconds.now
        while not breaker.admit():
            seconds.now += 0.1
        breaker.failed()
        waits.append(round(seconds.now - began, 3))
    assert max(waits) <= LAST_S + 0.2 < 30
    assert waits == sorted(waits)


def test_failures_of_what_was_asked_before_do_not_lengthen_the_pause() -> None:
    seconds = Seconds()
    breaker = Breaker(seconds)
    for _ in range(50):
        breaker.failed()
    seconds.now += FIRST_S
    assert breaker.admit()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AWAY, "unreachable"),
        (FetchTimeoutError("books did not answer in time"), "late"),
        (FactSourceError("malformed", "not JSON"), "malformed"),
        (RuntimeError("a fault of ours"), "malformed"),
        (MemoryError(), "malformed"),
    ],
)
def test_whatever_a_backend_raises_is_a_status(error: Exception, status: str) -> None:
    assert run(asked_in_turn(source(failing(error)), 1)) == [status]


def test_a_source_that_is_away_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    told = failing(AWAY)
    seconds = Seconds()
    books = source(told, seconds=seconds)

    async def asking() -> None:
        await asked_in_turn(books, 20)
        seconds.now += 60
        told.tell = answers
        await asked_in_turn(books, 1)

    with caplog.at_level(logging.INFO, "charter"):
        run(asking())
    assert [one.getMessage() for one in caplog.records] == [
        "fact source books: books: ConnectionRefusedError",
        "fact source books: it answers",
    ]


def test_a_value_that_does_not_fit_is_told_by_name_and_not_by_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told(lambda _: answer(facts={"staff": ["SECRET"], "holders": "SECRET"}))
    run(asked_in_turn(source(told), 1))
    assert sorted(one.getMessage() for one in caplog.records) == [
        "fact source books: `holders` does not fit its type",
        "fact source books: `staff` does not fit its type",
    ]


def test_a_closed_source_leaves_nobody_waiting() -> None:
    async def asking() -> str:
        waits = asyncio.create_task(books.ask(Key("near"), NOW))
        await asyncio.sleep(0.02)
        await books.close()
        with pytest.raises(asyncio.CancelledError):
            await waits
        return "ended"

    def slow(_: Key) -> Json:
        time.sleep(0.2)
        return answer()

    books = source(Told(slow))
    assert run(asking()) == "ended"


# --- what is read, and joined ---


@pytest.mark.parametrize("wrong", [{"share": 10}, {"country": "XX"}, {"share": "1.234"}, 7])
def test_a_list_with_one_element_that_does_not_fit_is_unknown(wrong: Json) -> None:
    document = answer(facts={"staff": [], "holders": [{"country": "US", "share": "60"}, wrong]})
    read = read_answer(Raw(document), Key("near"), source(Told(lambda _: None)).allowed.fields)
    assert (read.lists, read.unfit, read.said) == ({}, ["holders"], {"staff": []})


def test_where_nothing_was_said_of_one_of_several_things_nothing_is_known() -> None:
    def held(id: str) -> Statement:
        facts = {"held.encrypted": True}
        return Statement("held", Origin.CATALOGUE, "data.datasets", id, Status.STATED, facts=facts)

    for said, known in (("ab", True), ("a", False), ("", False)):
        named = Named("purge", (), "t", ("workload", "w"), {"data.datasets": ("a", "b")})
        facts: dict[str, Value] = {}
        Supplied(tuple(held(one) for one in said)).fill(named, facts, {})
        assert bool(facts) == known


# --- what may be stated --------------------------------------------------------------

GOOD = """\
format = "charter-sources/v1"
[[source]]
name = "books"
about = "site"
origin = "catalogue"
states = ["staff", "seal", "holders"]
max_age_s = 600
[source.http]
url = "https://facts.example/sites?id={id}"
"""
FILE = GOOD.partition("[source.http]")[0] + '[source.file]\npath = "facts.toml"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    load(written(tmp_path, GOOD), program())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"staff", ', '"data.datasets", ', "`data.datasets` is from the request"),
        ('"staff", ', '"kept.often", ', "`kept.often` is from the ledger"),
        ('"staff", ', '"foreign", ', "`foreign` is derived"),
        ('"staff", ', '"stafff", ', "did you mean `staff`?"),
        ('"staff", ', '"destination.staff", ', "`destination.staff` is from the catalogue"),
        ('"staff", ', '"checked.sound", ', "`checked.sound` is from the verifier"),
        ('origin = "catalogue"', 'origin = "request"', "`source.0.origin`"),
        ('origin = "catalogue"', 'origin = "clock"', "`source.0.origin`"),
        ('origin = "catalogue"', 'origin = "ledger"', "`source.0.origin`"),
        ('origin = "catalogue"', 'origin = "verifier"', "facts of a site are"),
        ('about = "site"', 'about = "sight"', "nothing is asked about `sight`"),
        ('about = "site"', 'about = "destination.open"', "no fact that a request states"),
        ('about = "site"', 'about = "destination.foreign"', "no fact that a request states"),
        ('about = "site"', 'about = "subject/"', "nothing is asked about"),
        ('about = "site"', 'about = "workload.age"', "names nothing"),
        ("states = [", "states = []  # ", "`source.0.states`"),
        ("max_age_s = 600", "", "`source.0.max_age_s`"),
        ("max_age_s = 600", "max_age_s = 0", "`source.0.max_age_s`"),
        ("max_age_s = 600", "max_age_s = 600\nkeep_s = 601", "longer than max_age_s"),
        ("max_age_s = 600", "max_age_s = 600\ntimeout_ms = 1001", "`source.0.timeout_ms`"),
        ("max_age_s = 600", "max_age_s = 600\nsurprise = 1", "`source.0.surprise`"),
        ('name = "books"', 'name = "Books!"', "`source.0.name`"),
        ("sources/v1", "sources/v2", "`format`"),
        ("https:", "http:", "https://host/path"),
        ("facts.example", "me:secret@facts.example", "https://host/path"),
        ("?id={id}", "", "must have {id}"),
        ("sites?id={id}", "sites/{id}", "must have {id}"),
        ("{id}", "{id}&x={x}", "other braces"),
        ("facts.example/sites", "{id}.example/sites", "and it alone"),
        ("?id={id}", "?id={id}&t={tenant}", "must have {id}"),
        ('?id={id}"', '?id={id}"\nmethod = "POST"', "neither {id} nor {tenant}"),
        ('?id={id}"', '?id={id}"\nmethod = "PUT"', "`source.0.http.method`"),
        ('?id={id}"', '?id={id}"\nnetworks = ["10.0.0.1/8"]', "`source.0.http.networks.0`"),
        ('?id={id}"', '?id={id}"\nnetworks = ["0.0.0.0/0"]', "link-local"),
        ('?id={id}"', '?id={id}"\nnetworks = ["169.254.169.254/32"]', "link-local"),
        ('?id={id}"', '?id={id}"\nnetworks = ["fe80::/10"]', "link-local"),
        ('?id={id}"', '?id={id}"\nclient_cert = "a.pem"', "both client_cert and client_key"),
        ('?id={id}"', '?id={id}"\nca_file = "none.pem"', "no certificates in PEM"),
        ('?id={id}"', '?id={id}"\ntoken_file = "none"', "cannot read the token"),
        ('?id={id}"', '?id={id}"\ntoken_file = "loose"', "chmod 600"),
        ('?id={id}"', '?id={id}"\n[source.file]\npath = "x"', "either"),
        ("[source.http]", "[source.htp]", "source.0.htp"),
        ('url = "https://facts.example/sites?id={id}"', "", "`source.0.http.url`"),
        (GOOD, 'format = "charter-sources/v1"', "`source`"),
        (GOOD, "x = ", "not TOML"),
        (GOOD, GOOD + GOOD.partition("\n")[2], "one name"),
        (GOOD, GOOD + GOOD.partition("\n")[2].replace("books", "more"), "leave it to one"),
        (GOOD, FILE, "No such file"),
    ],
)
def test_a_source_that_could_state_or_reach_too_much_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "loose").write_text("token")
    (tmp_path / "loose").chmod(0o644)
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        load(path, program())
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.chmod(0o622)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        load(path, program())


def test_a_source_of_a_tenants_things_is_asked_with_the_tenant(tmp_path: Path) -> None:
    text = GOOD.replace('about = "site"', 'about = "data.datasets"')
    text = text.replace('["staff", "seal", "holders"]', '["held"]')
    with pytest.raises(ConfigurationError, match=r"\{id\} and \{tenant\}"):
        load(written(tmp_path, text), program())
    load(written(tmp_path, text.replace("{id}", "{id}&t={tenant}")), program())


def test_a_whole_record_can_be_named() -> None:
    names = source(
        Told(lambda _: None), about="subject/workload", origin=Origin.VERIFIER, states=["checked"]
    ).names
    assert names == {"checked.sound", "checked.level"}


# --- files ---------------------------------------------------------------------------

FACTS = """\
format = "charter-facts-file/v1"
observed_at = 2026-11-22T09:30:00Z
[[row]]
id = "near"
facts = { staff = ["DE"], audited = 2026-01-01 }
[[row]]
id = "far"
observed_at = 2026-11-22T11:00:00+02:00
facts = { staff = [] }
"""


def from_file(folder: Path, name: str = "facts.toml") -> Any:
    from gateway.sources.file import FileBackend

    return source(FileBackend(folder / name), states=["staff", "audited"], max_age_s=3600)


def test_a_file_is_read_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "facts.toml"
    path.write_text(FACTS)
    load(written(tmp_path, FILE), program())
    books = from_file(tmp_path)

    async def told(id: str) -> Statement:
        books._kept.put(Key(id), None)  # pyright: ignore[reportPrivateUsage]
        return await books.ask(Key(id), NOW)

    async def asking() -> None:
        assert dict((await told("near")).said) == {"staff": ["DE"], "audited": "2026-01-01"}
        found = await told("far")
        assert found.observed_at is not None
        assert (found.status.value, found.observed_at.isoformat()) == (
            "stated",
            "2026-11-22T09:00:00+00:00",
        )
        assert (await told("nowhere")).status.value == "absent"
        path.write_text(FACTS.replace('"DE"', '"FR"'))
        assert dict((await told("near")).said)["staff"] == ["FR"]
        path.write_text(FACTS + "x")
        assert (await told("near")).status.value == "malformed"
        path.write_text(FACTS)
        assert dict((await told("near")).said)["staff"] == ["DE"]
        path.chmod(0o666)
        assert (await told("near")).status.value == "unreachable"
        path.unlink()
        assert (await told("near")).status.value == "unreachable"

    run(asking())


JSON = '{"format":"charter-facts-file/v1","observed_at":"2026-11-22T09:30:00Z","row":[%s]}'


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (JSON % '{"id":"near","facts":{"staff":["DE"]}}', "stated"),
        (JSON % '{"id":"near","facts":{"staff":["DE"]}},{"id":"near","facts":{}}', "malformed"),
        (JSON % '{"id":"near","facts":{},"facts":{}}', "malformed"),
        (JSON % '{"id":"near","facts":{},"open":true}', "malformed"),
        (JSON % '{"id":7,"facts":{}}', "malformed"),
        (JSON % '{"id":"near"}', "malformed"),
        (JSON % '{"id":"near","facts":{"open":true}}', "malformed"),
        (JSON % '{"id":"near","tenant":"t","facts":{"staff":["DE"]}}', "absent"),
        (JSON % '{"id":"near","observed_at":"2026-11-22T08:30:00Z","facts":{}}', "stale"),
        (JSON % '{"id":"near","observed_at":null,"facts":{}}', "malformed"),
        (JSON % "[]", "malformed"),
        (JSON.replace("file/v1", "file/v2") % "", "malformed"),
        ('{"format":"charter-facts-file/v1","row":[{"id":"near","facts":{}}]}', "malformed"),
        ("[" * 40, "malformed"),
        ("{}", "malformed"),
        ("", "malformed"),
        ("\x00", "malformed"),
    ],
)
def test_a_file_that_is_wrong_states_nothing(tmp_path: Path, text: str, status: str) -> None:
    (tmp_path / "facts.json").write_text(text)
    found = run(from_file(tmp_path, "facts.json").ask(Key("near"), NOW))
    assert found.status.value == status
    assert bool(found.said) == (status == "stated")


@pytest.mark.parametrize(
    "change",
    [("09:30:00Z", "09:30:00"), ('["DE"]', "1.5"), ('"near"', '"far"'), ("[[row]]", "[r]")],
)
def test_a_wrong_file_is_no_start(tmp_path: Path, change: tuple[str, str]) -> None:
    (tmp_path / "facts.toml").write_text(FACTS.replace(*change))
    with pytest.raises(ConfigurationError, match="`books`"):
        load(written(tmp_path, FILE), program())
