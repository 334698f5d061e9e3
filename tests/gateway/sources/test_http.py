"""Sources behind HTTPS, over real sockets, in every bad manner; and where none is asked."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.pdp.supplied import Statement
from gateway.sources import load
from gateway.sources.http import fill
from gateway.sources.interface import Key
from gateway.sources.source import Source
from tests.gateway.certificates import authority
from tests.gateway.sources.hosts import MANNERS, Host, black_hole, host
from tests.gateway.sources.parts import program
from tests.gateway.world import run

LOOPBACK = ["127.0.0.0/8", "::1/128"]
FACTS = {"near": {"staff": ["DE"], "holders": []}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Host]:
    with host(tmp_path_factory.mktemp("host")) as one:
        one.facts = dict(FACTS)
        yield one


@dataclass
class Asking:
    """How a source is asked."""

    of: Host
    query: str = "id={id}"
    name: str = "localhost"
    port: int | None = None
    about: str = "site"
    states: str = '"staff", "holders"'
    more: str = ""
    networks: list[str] | None = None
    timeout_ms: int = 1000
    ca_file: str = "facts-root.pem"

    def source(self) -> Source:
        networks = LOOPBACK if self.networks is None else self.networks
        ca = f'ca_file = "{self.ca_file}"\n' if self.ca_file else ""
        mark = "?" if self.query else ""
        text = (
            f'format = "charter-sources/v1"\n[[source]]\nname = "books"\nabout = "{self.about}"\n'
            f'origin = "catalogue"\nstates = [{self.states}]\nmax_age_s = 600\n'
            f"timeout_ms = {self.timeout_ms}\n[source.http]\n{ca}networks = {networks}\n"
            f'url = "https://{self.name}:{self.port or self.of.port}/facts{mark}{self.query}"\n'
            f"{self.more}"
        )
        path = self.of.folder / "sources.toml"
        path.write_text(text)
        path.chmod(0o600)
        (one,) = load(path, program())._sources  # pyright: ignore[reportPrivateUsage]
        return one

    def ask(self, id: str = "near", tenant: str | None = None) -> Statement:
        """What it says. On a machine that is busy even loopback can be late, so where nobody
        waits for that it is asked again."""
        found = self._once(id, tenant)
        for _ in range(4):
            if self.timeout_ms < 1000 or found.status.value != "late":
                break
            found = self._once(id, tenant)
        return found

    def _once(self, id: str, tenant: str | None) -> Statement:
        began = time.perf_counter()
        found = run(self.source().ask(Key(id, tenant), datetime.now(UTC)))
        assert time.perf_counter() - began < self.timeout_ms / 1000 + 1
        return found


@pytest.mark.parametrize("manner", MANNERS)
def test_a_manner_of_answering_leads_to_facts_or_to_none_in_time(
    running: Host, manner: str
) -> None:
    expected = {
        "good": "stated", "dated now": "stated", "absent": "absent", "gone": "absent",
        "slow": "late", "dripping": "late", "of yesterday": "stale", "dated yesterday": "stale",
        "of tomorrow": "ahead", "not dated": "malformed", "HTML": "malformed",
        "deep": "malformed", "a key twice": "malformed", "not UTF-8": "malformed",
        "another site": "malformed", "another tenant": "malformed",
        "more than it may": "malformed",
    }  # fmt: skip
    running.manner = manner
    found = Asking(running, timeout_ms=300 if expected.get(manner) == "late" else 1000).ask()
    assert found.status.value == expected.get(manner, "unreachable")
    if found.status.value == "stated":
        assert found.facts == {"staff": ("DE",)}
        assert found.lists == {"holders": ()}
    else:
        assert (found.said, found.facts, found.lists, found.until) == ({}, {}, {}, None)


def test_a_port_that_says_nothing_is_late(running: Host) -> None:
    with black_hole() as port:
        assert Asking(running, port=port, timeout_ms=300).ask().status.value == "late"


def test_a_port_where_nobody_listens_is_unreachable(running: Host) -> None:
    with black_hole() as port:
        pass
    assert Asking(running, port=port).ask().status.value == "unreachable"


def test_a_name_that_nobody_has_is_unreachable(running: Host) -> None:
    assert Asking(running, name="nobody.invalid").ask().status.value in ("unreachable", "late")


# --- where it may go -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("localhost", []),
        ("localhost", ["10.0.0.0/8"]),
        ("127.0.0.1", []),
        ("10.1.2.3", ["192.168.0.0/16"]),
        ("169.254.169.254", LOOPBACK),
        ("[fe80::1]", LOOPBACK),
        ("[::ffff:169.254.169.254]", LOOPBACK),
        ("[::ffff:127.0.0.1]", []),
        ("0.0.0.0", LOOPBACK),  # noqa: S104
        ("100.64.0.1", LOOPBACK),
    ],
)
def test_a_network_that_is_not_named_is_not_asked(
    running: Host, name: str, networks: list[str]
) -> None:
    running.manner = "good"
    before = len(running.asked)
    found = Asking(running, name=name, networks=networks, ca_file="").ask()
    assert found.status.value == "unreachable"
    assert len(running.asked) == before


@pytest.mark.parametrize(
    "id", ["../../etc/passwd", "a&id=far", "a#b", "a%20b", "{tenant}", "é 漢", "x?y"]
)
def test_an_id_is_one_value_of_the_query(running: Host, id: str) -> None:
    running.manner, running.facts = "good", {id: {"staff": []}}
    try:
        found = Asking(running).ask(id)
    finally:
        running.facts = dict(FACTS)
    assert found.status.value == "stated"
    assert running.asked[-1]["id"] == id


def test_braces_in_an_id_are_not_filled_in() -> None:
    filled = fill("https://a.example/?id={id}&t={tenant}", Key("{tenant}", "{id}"))
    assert filled == "https://a.example/?id=%7Btenant%7D&t=%7Bid%7D"


# --- who asks, and whom --------------------------------------------------------------


def test_a_host_with_another_name_is_not_believed(tmp_path: Path) -> None:
    with host(tmp_path, dns="other.example") as other:
        other.facts = dict(FACTS)
        assert Asking(other).ask().status.value == "unreachable"
        assert other.asked == []


def test_an_authority_that_is_not_named_is_not_believed(running: Host) -> None:
    (running.folder / "else.pem").write_bytes(authority("else").pem)
    before = len(running.asked)
    for ca_file in ("else.pem", ""):
        assert Asking(running, ca_file=ca_file).ask().status.value == "unreachable"
    assert len(running.asked) == before


def test_a_token_is_sent_from_its_file_as_it_is_now(running: Host) -> None:
    running.manner = "good"
    path = running.folder / "token"
    path.write_text("first-secret\n")
    path.chmod(0o600)
    one = Asking(running, more='token_file = "token"').source()

    async def asking() -> list[str]:
        first = await one.ask(Key("near"), datetime.now(UTC))
        path.write_text("second-secret")
        second = await one.ask(Key("far"), datetime.now(UTC))
        path.chmod(0o640)
        third = await one.ask(Key("more"), datetime.now(UTC))
        return [each.status.value for each in (first, second, third)]

    assert run(asking()) == ["stated", "stated", "unreachable"]
    sent = [one["headers"]["authorization"] for one in running.asked[-2:]]
    assert sent == ["Bearer first-secret", "Bearer second-secret"]


def test_a_token_is_in_no_message(running: Host, caplog: pytest.LogCaptureFixture) -> None:
    running.manner = "an error"
    path = running.folder / "token"
    path.write_text("third-secret")
    path.chmod(0o600)
    assert Asking(running, more='token_file = "token"').ask().status.value == "unreachable"
    assert caplog.records
    assert "third-secret" not in caplog.text


def test_a_source_knows_the_gateway_by_its_certificate(tmp_path: Path) -> None:
    clients = authority("clients")
    clients.leaf(dns="gateway.example").write(tmp_path, "gateway")
    more = 'client_cert = "gateway.pem"\nclient_key = "gateway.key"\n'
    with host(tmp_path, client=clients.pem) as strict:
        strict.facts = dict(FACTS)
        assert Asking(strict).ask().status.value == "unreachable"
        assert strict.asked == []
        assert Asking(strict, more=more).ask().status.value == "stated"
        assert "gateway.example" in str(strict.asked[-1]["peer"])
        (tmp_path / "gateway.key").chmod(0o640)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            Asking(strict, more=more).source()


def test_a_post_says_what_it_wants_to_know_and_of_whom(running: Host) -> None:
    running.manner, running.facts = "good", {"ehr": {"held.encrypted": True}}
    try:
        found = Asking(
            running, query="", about="data.datasets", states='"held"', more='method = "POST"'
        ).ask("ehr", "clinic-a")
    finally:
        running.facts = dict(FACTS)
    assert found.facts == {"held.encrypted": True}
    last: dict[str, Any] = running.asked[-1]
    assert last["body"] == {
        "format": "charter-facts-question/v1",
        "about": "data.datasets",
        "id": "ehr",
        "tenant": "clinic-a",
        "facts": ["held.encrypted"],
    }
    assert last["headers"]["content-type"] == "application/json"


def test_a_get_names_the_tenant(running: Host) -> None:
    running.manner = "good"
    Asking(running, query="id={id}&tenant={tenant}", about="data.datasets", states='"held"').ask(
        "ehr", "clinic-a"
    )
    assert (running.asked[-1]["id"], running.asked[-1]["tenant"]) == ("ehr", "clinic-a")
