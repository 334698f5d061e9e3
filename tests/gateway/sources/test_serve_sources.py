"""A real `charter serve` with a service and a file as sources, through good and bad times."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.verify import Trust, verify_decision
from gateway.web.schemas import SCHEMAS
from tests.gateway.cli.commands import finish, start
from tests.gateway.sources.hosts import Host, host
from tests.gateway.sources.parts import LAW, asked
from tests.gateway_process import GatewayProcess, run_gateway

SITES = """\
format = "charter-catalogue/v1"
title = "Sites"
as_of = 2026-11-22
[[site]]
id = "near"
valid_from = 2020-01-01
source = "made up"
facts = { open = true, countries = ["FR"], seal = { SOV-2 = "SEAL-2" } }
[[site]]
id = "far"
valid_from = 2020-01-01
source = "made up"
facts = { open = true, countries = ["US"] }
"""
SOURCES = """\
format = "charter-sources/v1"

[[source]]
name = "books"
about = "site"
origin = "catalogue"
states = ["staff", "holders"]
max_age_s = 600
keep_s = 1
timeout_ms = 1000
[source.http]
url = "https://localhost:{port}/facts?id={{id}}"
ca_file = "facts-root.pem"
networks = ["127.0.0.0/8"]

[[source]]
name = "verifier"
about = "subject/workload"
origin = "verifier"
states = ["checked"]
max_age_s = 86400
timeout_ms = 1000
[source.file]
path = "workloads.toml"
"""
WORKLOADS = """\
format = "charter-facts-file/v1"
[[row]]
id = "w-1"
tenant = "{tenant}"
observed_at = {now}
facts = {{ "checked.sound" = {sound} }}
"""


@dataclass
class Running:
    gateway: GatewayProcess
    host: Host
    folder: Path

    def until(self, wanted: Callable[[dict[str, Any]], bool], within_s: float) -> dict[str, Any]:
        """The first answer that is as wanted; each must come in time."""
        end = time.monotonic() + within_s
        while True:
            began = time.monotonic()
            answered = self.gateway.decide(asked())
            assert time.monotonic() - began < 2
            if wanted(answered):
                return answered
            assert time.monotonic() < end, answered["sources"]
            time.sleep(0.2)

    def counted(self, source: str, status: str) -> float:
        """How often asking a source ended so, as the metrics tell it."""
        text = self.gateway.request("GET", "/metrics").body.decode()
        name = f'charter_fact_source_answers_total{{source="{source}",status="{status}"}} '
        return sum(float(line[len(name) :]) for line in text.splitlines() if line.startswith(name))


def write(folder: Path, sound: str) -> None:
    """The file of the verifier, as it says now."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    new = folder / "new.toml"
    new.write_text(WORKLOADS.format(tenant="default", now=now, sound=sound))
    new.chmod(0o600)
    new.replace(folder / "workloads.toml")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    folder = tmp_path_factory.mktemp("serve")
    policies = folder / "policies"
    (policies / "catalogue").mkdir(parents=True)
    (policies / "law.charter").write_text(LAW)
    (policies / "catalogue" / "sites.toml").write_text(SITES)
    with host(folder) as service:
        service.facts = {"near": {"staff": ["DE"], "holders": []}}
        sources = folder / "sources.toml"
        sources.write_text(SOURCES.format(port=service.port))
        sources.chmod(0o600)
        write(folder, "true")
        with run_gateway(
            folder / "state", "--policies", str(policies), "--sources", str(sources)
        ) as gateway:
            yield Running(gateway, service, folder)


def outcome(answered: dict[str, Any]) -> str:
    return answered["decision"]


def statuses(answered: dict[str, Any]) -> dict[str, str]:
    return {one["source"]: one["status"] for one in answered["sources"]}


def test_a_permit_rests_on_what_sources_say_and_says_so(running: Running) -> None:
    answered = running.until(lambda one: outcome(one) == "permit", 5)
    assert statuses(answered) == {"books": "stated", "verifier": "stated"}
    assert running.counted("books", "stated") >= 1
    before = running.counted("verifier", "stated")
    running.gateway.decide(asked())
    assert running.counted("verifier", "stated") == before + 1
    trust = Trust.from_json(running.gateway.trust.read_bytes())
    predicate = verify_decision(answered, trust, expect_request=asked()).predicate
    assert predicate["sources"] == answered["sources"]
    declared = cast("dict[str, Any]", SCHEMAS["Decision"])["properties"]
    assert answered.keys() <= declared.keys()
    shape = declared["sources"]["items"]
    for one in answered["sources"]:
        assert one.keys() == shape["properties"].keys()
    explained = running.gateway.request("GET", f"/v1/decisions/{answered['id']}/explain").json
    rests = {one["path"]: one for one in explained["explanation"]["rests_on"]}
    assert rests["destination.staff"]["stated_by"]["source"] == "books"
    assert rests["checked.sound"]["stated_by"]["source"] == "verifier"
    assert rests["destination.open"]["stated_by"]["file"] == "sites.toml"


@pytest.mark.parametrize("manner", ["slow", "an error", "HTML", "of yesterday", "cut", "for ever"])
def test_a_service_that_fails_permits_nothing_and_is_asked_again_when_it_is_back(
    running: Running, manner: str
) -> None:
    running.host.manner = manner
    try:
        answered = running.until(lambda one: statuses(one)["books"] != "stated", 5)
        assert outcome(answered) == "indeterminate"
        assert running.counted("books", statuses(answered)["books"]) >= 1
        assert {one["path"] for one in answered["missing"]} == {
            "destination.staff",
            "destination.holders",
        }
        denied = running.gateway.decide(asked(resource={"type": "site", "id": "far"}))
        assert outcome(denied) == "deny"
        nothing = running.gateway.decide(asked(action={"name": "purge"}))
        assert "sources" not in nothing or "books" not in statuses(nothing)
    finally:
        running.host.manner = "good"
    running.until(lambda one: outcome(one) == "permit", 30)


def test_a_file_is_read_again_when_it_changes(running: Running) -> None:
    write(running.folder, "false")
    running.until(lambda one: outcome(one) == "deny", 5)
    write(running.folder, "1")
    running.until(lambda one: outcome(one) == "indeterminate", 5)
    (running.folder / "workloads.toml").unlink()
    answered = running.until(lambda one: statuses(one)["verifier"] == "unreachable", 5)
    assert outcome(answered) == "indeterminate"
    write(running.folder, "true")
    running.until(lambda one: outcome(one) == "permit", 30)


def test_a_reload_takes_other_sources_or_leaves_those_that_are(running: Running) -> None:
    path = running.folder / "sources.toml"
    text = path.read_text()

    def reload(changed: str) -> int:
        path.write_text(changed)
        return running.gateway.request("POST", "/v1/reload").status

    assert reload(text.replace('"staff"', '"data.datasets"')) >= 400
    running.until(lambda one: outcome(one) == "permit", 5)
    assert reload(text.replace('"staff", ', "")) == 200
    # It says what it may not any more, so nothing of it counts.
    answered = running.until(lambda one: statuses(one)["books"] == "malformed", 5)
    assert outcome(answered) == "indeterminate"
    assert reload(text) == 200
    running.until(lambda one: outcome(one) == "permit", 5)


def test_it_says_once_what_is_wrong_and_no_value(running: Running) -> None:
    said = "".join(running.gateway.stderr)
    assert "fact source books" in said
    assert "Traceback" not in said


def test_a_start_with_a_source_that_may_state_too_much_is_refused(running: Running) -> None:
    wrong = running.folder / "wrong.toml"
    text = SOURCES.format(port=running.host.port)
    wrong.write_text(text.replace('"staff"', '"data.datasets"'))
    wrong.chmod(0o600)
    ran = finish(
        start(
            "serve", "--port", "0", "--policies", running.folder / "policies",
            "--state", running.folder / "other-state", "--sources", wrong,
        )
    )  # fmt: skip
    ran.check_clean()
    assert ran.code == 1
    assert "`data.datasets` is from the request" in ran.err.splitlines()[-1]
