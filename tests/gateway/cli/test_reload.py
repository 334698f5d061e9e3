"""A gateway whose rules are exchanged while it decides: every answer is of one set of rules,
whatever is wrong with the next, and wherever the process ends (fault F32)."""

import base64
import json
import os
import random
import signal
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from dsl.compile import compile_charters
from dsl.core import Program
from dsl.evaluate import evaluate, verdict
from dsl.facts import Question, fit
from dsl.source import SourceText
from gateway.callers import Role, TokenFile, issue
from gateway.keys import DecisionKey
from gateway.loaded import read_loaded
from gateway.pdp.decision import OUTCOMES
from tests.gateway.cli.commands import finish, here, start
from tests.gateway.serving import Served, prepare
from tests.gateway.world import CHARTERS, SITES, TENANT, made, question, write_project
from tests.gateway_process import GatewayProcess, start_gateway, stop

from .test_serve import Load

SEED = 20261122
# The same rules, over another area and other facts: what the one permits, the other denies.
CHARTERS_B = {
    **CHARTERS,
    "words.charter": CHARTERS["words.charter"].replace("member BE, DE, FR", "member BE, DE, GB"),
}
SITES_B = SITES.replace("tier = 3", "tier = 4")


@cache
def program_b() -> Program:
    texts = [SourceText(name, text) for name, text in CHARTERS_B.items()]
    return compile_charters(texts).require()[1]


@dataclass
class Site:
    """A gateway whose charters are a link that is turned over, and who asks it."""

    folder: Path
    served: Served
    operator: str
    author: str

    @property
    def gateway(self) -> GatewayProcess:
        return self.served.gateway

    def turn(self, name: str) -> None:
        turn(self.folder, name)

    def reload(self) -> Any:
        return self.gateway.request("POST", "/v1/reload", b"", token=self.operator)

    def turn_and_reload(self, name: str) -> dict[str, Any]:
        self.turn(name)
        reply = self.reload()
        assert reply.status == 200, reply.body
        return reply.json

    def refused(self, words: str) -> None:
        reply = self.reload()
        assert (reply.status, reply.json["type"].rpartition("/")[2]) == (409, "reload-refused")
        assert words in reply.json["detail"]

    def arguments(self, *more: str) -> list[str]:
        return ["--policies", str(self.folder / "current"), *more]


def turn(folder: Path, name: str) -> None:
    """Have the link of the charters lead elsewhere, in one step."""
    beside = folder / "next"
    beside.symlink_to(folder / name, target_is_directory=True)
    os.replace(beside, folder / "current")


def write(folder: Path, charters: dict[str, str], sites: str) -> None:
    write_project(folder)
    for name, text in charters.items():
        (folder / name).write_text(text)
    for place in ("fixtures", "catalogue"):
        (folder / place / "sites.toml").write_text(sites)


def prepared(folder: Path) -> dict[str, str]:
    """Two sets of rules, and the tokens of callers, an operator and an author."""
    tokens = prepare(folder)
    write(folder / "a", CHARTERS, SITES)
    write(folder / "b", CHARTERS_B, SITES_B)
    turn(folder, "a")
    kept = folder / "state" / "tokens.json"
    rows = list(TokenFile.model_validate_json(kept.read_bytes()).tokens)
    for role in (Role.OPERATOR, Role.AUTHOR):
        path = folder / f"{role}.tokens"
        tokens[role] = issue(path, tenant=TENANT)
        (row,) = TokenFile.model_validate_json(path.read_bytes()).tokens
        rows.append(row.model_copy(update={"roles": frozenset({role})}))
    kept.write_text(TokenFile(tokens=tuple(rows)).model_dump_json())
    return tokens


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    tokens = prepared(tmp_path)
    roles = (tokens.pop(Role.OPERATOR), tokens.pop(Role.AUTHOR))
    arguments = ("--policies", str(tmp_path / "current"))
    gateway = start_gateway(tmp_path / "state", *arguments, token=tokens["own"])
    yield Site(tmp_path, Served(gateway, tmp_path / "current", **tokens), *roles)
    stop(gateway)


# --- F32 -----------------------------------------------------------------------------


def definition_says(program: Program, answer: dict[str, Any]) -> str:
    """The decision that follows from the facts of an answer under a program."""
    facts: dict[str, Any] = {}
    for stated in answer["facts"]:
        facts[stated["path"]] = fit(program.facts[stated["path"]], stated["value"])
        assert facts[stated["path"]] is not None
    epoch = date(1970, 1, 1)
    today = {zone: (date.fromisoformat(day) - epoch).days for zone, day in answer["today"].items()}
    return OUTCOMES[verdict(evaluate(program, Question(answer["action"], facts, today)))].value


class Searches:
    """A caller that searches until it is told to stop."""

    def __init__(self, site: Site) -> None:
        self.found: list[tuple[str, str, list[str]]] = []
        self._site = site
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._search)
        self._thread.start()

    def _search(self) -> None:
        body = json.dumps(question(resource__id=...)).encode()
        sent = {"Content-Type": "application/json"}
        while not self._stop.is_set():
            path = "/access/v1/search/resource"
            said = self._site.gateway.request("POST", path, body, sent).json
            names = [one["id"] for one in said["results"]]
            context = said["context"]
            self.found.append((context["bundle"], context["catalogue"], names))

    def end(self) -> None:
        self._stop.set()
        self._thread.join(15)


def test_bundles_loaded_in_turn_under_load_leave_each_record_with_one_that_it_fits(
    site: Site,
) -> None:
    load, searches = Load(site.served), Searches(site)
    try:
        done = [site.turn_and_reload(name) for name in ("b", "a") * 4]
    finally:
        load.end()
        searches.end()
    b, a = done[0], done[1]
    programs = {a["bundle"]: made().program, b["bundle"]: program_b()}
    pairs = {(one["bundle"], one["catalogue"]) for one in done}
    assert len(programs) == len(pairs) == 2
    tiers = {a["bundle"]: 3, b["bundle"]: 4}
    seen: dict[str, int] = dict.fromkeys(programs, 0)
    assert set(load.statuses) == {200}, "a reload cost somebody an answer"
    for asked, answer in load.answers:
        assert (answer["bundle"], answer["catalogue"]) in pairs
        assert answer["incident"] is None
        assert answer["decision"] == definition_says(programs[answer["bundle"]], answer)
        facts = {fact["path"]: fact["value"] for fact in answer["facts"]}
        if asked["resource"]["id"] == "near":
            assert facts["destination.tier"] == tiers[answer["bundle"]]
        signed = json.loads(base64.b64decode(answer["record"]["payload"]))["predicate"]
        assert (signed["bundle"], signed["catalogue"]) == (answer["bundle"], answer["catalogue"])
        seen[answer["bundle"]] += 1
    assert min(seen.values()) > 10, seen
    for asked, answer in load.answers[:: max(1, len(load.answers) // 50)]:
        site.served.verify(answer, expect_request=asked)
    for bundle, catalogue, names in searches.found:
        assert (bundle, catalogue) in pairs
        assert ("near" in names) is (bundle == a["bundle"])


# --- what is wrong -------------------------------------------------------------------


def test_whatever_is_wrong_the_rules_before_it_decide(site: Site) -> None:
    before = site.gateway.decide(question())
    assert before["decision"] == "permit"
    for name, file, text, words in (
        ("syntax", "law.charter", "charter test.law\nrule", "law.charter"),
        ("gone", "law.charter", None, "test.law"),
        ("catalogue", "catalogue/sites.toml", "format = ", "not TOML"),
        ("fact", "catalogue/sites.toml", SITES.replace("tier = 3", 'tier = "x"'), "tier"),
    ):
        write(site.folder / name, CHARTERS_B, SITES_B)
        if text is None:
            for path in (site.folder / name).glob("*.charter"):
                path.unlink()
            words = "ends in .charter"
        else:
            (site.folder / name / file).write_text(text)
        site.turn(name)
        site.refused(words)
        after = site.gateway.decide(question())
        assert after["bundle"] == before["bundle"]
    assert site.gateway.request("GET", "/readyz").json == {"status": "ready", "reload": "failed"}
    metrics = site.gateway.request("GET", "/metrics", token=site.operator).body.decode()
    assert "charter_reload_failed 1.0" in metrics
    assert 'charter_reloads_total{result="refused"} 4.0' in metrics
    assert site.turn_and_reload("b")["bundle"] != before["bundle"]
    assert site.gateway.request("GET", "/readyz").json == {"status": "ready"}
    assert site.gateway.decide(question())["decision"] == "deny"


def test_what_is_served_of_the_rules_changes_with_them(site: Site) -> None:
    def served() -> list[Any]:
        def get(path: str) -> Any:
            return site.gateway.request("GET", path, token=site.author)

        tag = get("/bundles/charter.tar.gz").headers["etag"]
        source = get("/v1/bundle/source/words.charter").body
        row = get("/v1/catalogue/site/near").json
        return [get("/v1/bundle").json["digest"], tag, source, row["digest"], row["facts"]]

    before = served()
    done = site.turn_and_reload("b")
    after = served()
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert (after[0], after[3]) == (done["bundle"], done["catalogue"])
    assert after[4]["tier"] == 4


def test_only_an_operator_reloads(site: Site) -> None:
    site.turn("b")
    for token, status in (("", 401), (site.served.expired, 401), (site.author, 403)):
        assert site.gateway.request("POST", "/v1/reload", b"", token=token).status == status
    assert site.gateway.decide(question())["decision"] == "permit"


def test_the_command_and_the_signal_reload_too(site: Site) -> None:
    token = site.folder / "token"
    token.write_text(site.operator)
    token.chmod(0o600)
    ask = ("reload", "--url", site.gateway.url, "--token-file", token)
    site.turn("b")
    ran = here(*ask)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "OK: reloaded")
    assert here(*ask).out.splitlines()[0] == "OK: nothing changed"
    site.turn("a")
    (site.folder / "b" / "law.charter").write_text("charter")
    site.gateway.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while site.gateway.decide(question())["decision"] != "permit":
        assert time.monotonic() < end, "the signal changed nothing"
        time.sleep(0.05)
    site.turn("b")
    ran = here(*ask)
    assert ran.code == 1
    assert "cannot come into force" in ran.line


# --- signed --------------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> Generator[Site]:
    tokens = prepared(tmp_path)
    roles = (tokens.pop(Role.OPERATOR), tokens.pop(Role.AUTHOR))
    author = DecisionKey.create(tmp_path / "author.key")
    (tmp_path / "authors.pem").write_text(author.public.pem)
    sign(tmp_path, "a", 1)
    arguments = (
        "--policies",
        str(tmp_path / "current"),
        "--authors",
        str(tmp_path / "authors.pem"),
    )
    gateway = start_gateway(tmp_path / "state", *arguments, token=tokens["own"])
    site = Site(tmp_path, Served(gateway, tmp_path / "current", **tokens), *roles)
    yield site
    stop(site.gateway)


def sign(folder: Path, name: str, number: int, key: str = "author.key") -> None:
    ran = here(
        "release", "sign", str(number), "--key", folder / key, "--policies", folder / name,
        "--replace",
    )  # fmt: skip
    assert ran.code == 0, ran.err


def started_again(site: Site) -> GatewayProcess:
    more = ("--authors", str(site.folder / "authors.pem"))
    return start_gateway(site.folder / "state", *site.arguments(*more), token=site.served.own)


def test_unsigned_wrongly_signed_and_older_rules_do_not_come_into_force(signed: Site) -> None:
    site, folder = signed, signed.folder
    site.turn("b")
    site.refused("only signed rules are loaded")
    DecisionKey.create(folder / "stranger.key")
    sign(folder, "b", 2, "stranger.key")
    site.refused("not signed by a trusted author")
    sign(folder, "b", 2)
    (folder / "b/catalogue/sites.toml").write_text(SITES)
    site.refused("release 2 signs the catalogue")
    (folder / "b/catalogue/sites.toml").write_text(SITES_B)
    done = site.reload().json
    assert (done["sequence"], done["before"]["sequence"]) == (2, 1)
    assert site.gateway.decide(question())["decision"] == "deny"
    site.turn("a")
    site.refused("release 1 is older than release 2")
    # Nor after a restart: what is remembered is on disk.
    stop(site.gateway)
    authors = ("--authors", folder / "authors.pem", "--port", "0", "--state", folder / "state")
    ended = finish(start("serve", "--policies", folder / "current", *authors))
    assert (ended.code, "release 1 is older than release 2" in ended.err) == (1, True)
    allowed = here(
        "release", "allow", "1", "--reason", "release 2 is a mistake", "--state", folder / "state"
    )
    assert allowed.code == 0
    site.served.gateway = started_again(site)
    answer = site.gateway.decide(question())
    assert (answer["decision"], read_loaded(folder / "state").sequence) == ("permit", 1)  # pyright: ignore[reportOptionalMemberAccess]


def test_kill_9_during_a_reload_leaves_one_set_of_rules_and_no_way_back(signed: Site) -> None:
    site, folder = signed, signed.folder
    pauses = random.Random(SEED)  # noqa: S311 - a test wants it repeatable
    kept: list[tuple[Any, dict[str, Any]]] = []
    newest = 1
    for number, name in ((2, "b"), (3, "a"), (4, "b")):
        sign(folder, name, number)
        load = Load(site.served, callers=2)
        site.turn(name)
        threading.Thread(target=_reload_quietly, args=(site,)).start()
        time.sleep(pauses.uniform(0.05, 1.2))
        site.gateway.process.send_signal(signal.SIGKILL)
        stop(site.gateway)
        load.end()
        kept += load.answers
        remembered = read_loaded(folder / "state")
        assert remembered is not None
        assert remembered.sequence in (newest, number)
        newest = number
        site.served.gateway = started_again(site)
        decided = site.gateway.decide(question())
        assert decided["decision"] == ("permit" if name == "a" else "deny")
        remembered = read_loaded(folder / "state")
        assert remembered is not None
        assert (remembered.bundle, remembered.sequence) == (decided["bundle"], number)
    site.turn("a")
    site.refused("release 3 is older than release 4")
    places = [site.served.verify(answer, expect_request=asked).index for asked, answer in kept]
    assert len(places) == len(set(places)) > 0


def _reload_quietly(site: Site) -> None:
    with suppress(OSError, HTTPException):  # it was killed
        site.reload()
