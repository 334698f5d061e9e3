"""Timestamps over the log: got from a real authority, believed only when they hold, kept, given
out, packed and verified. A decision never waits for one."""

import json
import logging
import time
from base64 import b64decode
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers
from gateway.errors import GatewayError, TrustError
from gateway.fetch import PRIVATE, tls_context
from gateway.ledger.checkpoint import check_extends, parse_checkpoint
from gateway.ledger.log import Log
from gateway.ledger.note import parse_note
from gateway.ledger.tiles import TileReader
from gateway.stamping.authority import Authority, read_certificates
from gateway.stamping.stamper import Stamper
from gateway.stamping.stamps import Stamp, Stamps
from gateway.verify.refused import TimestampError
from gateway.verify.terms import Timestampers
from gateway.verify.timestamp import verify_timestamp
from gateway.web.app import create_app
from gateway.web.stamped import StampDoor
from tests.gateway.cli.commands import Charter
from tests.gateway.ledger.logs import append_many, open_log
from tests.gateway.serving import served
from tests.gateway.stamping.authorities import MANNERS, Stamping, stamping_authority
from tests.gateway.verify.tsa import issue
from tests.gateway.world import World, question


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stamping]:
    with stamping_authority(tmp_path_factory.mktemp("authority")) as made:
        yield made


@pytest.fixture(autouse=True)
def good(running: Stamping) -> None:
    running.manner = "good"


def client(running: Stamping, **changes: Any) -> Authority:
    settings: dict[str, Any] = {
        "url": running.url,
        "tls": tls_context(running.tls_roots),
        "accepted": Timestampers(running.roots()),
        "networks": PRIVATE,
        "timeout_s": 1.0,
    }
    return Authority(**{**settings, **changes})


# --- asking --------------------------------------------------------------------------


def test_a_token_that_holds_is_got_and_verifies_without_the_authority(running: Stamping) -> None:
    response, stated = client(running).stamp(b"a checkpoint\n", now())
    assert abs((now() - stated).total_seconds()) < 10
    accepted = Timestampers(running.roots(), (running.tokens.signer.pem,), required=True)
    assert verify_timestamp(response, b"a checkpoint\n", accepted, at=now()) == stated
    with pytest.raises(TimestampError):
        verify_timestamp(response, b"another\n", accepted, at=now())


@pytest.mark.parametrize("manner", sorted(MANNERS.keys() - {"good"}))
def test_what_is_no_token_for_these_bytes_is_refused(running: Stamping, manner: str) -> None:
    client(running).stamp(b"first\n", now())
    running.manner = manner
    with pytest.raises(GatewayError):
        client(running).stamp(b"a checkpoint\n", now())


def test_an_authority_that_is_not_pinned_or_reached_as_said_is_refused(running: Stamping) -> None:
    wrong: list[dict[str, Any]] = [
        {"accepted": Timestampers((issue("root").pem,))},
        {"accepted": Timestampers(running.roots(), (issue("signer").pem,))},
        {"accepted": Timestampers(running.roots(), policy="1.2.3")},
        {"tls": tls_context(None)},
        {"networks": ()},
        {"url": running.url.replace(str(running.port), "1")},
    ]
    for changes in wrong:
        with pytest.raises(GatewayError):
            client(running, **changes).stamp(b"a checkpoint\n", now())


def test_certificates_are_read_one_after_another(running: Stamping) -> None:
    roots = running.roots()
    assert read_certificates(Path("x"), "".join(roots).encode()) == roots
    for wrong in (b"", b"\xff", b"no certificate", "".join(roots[:1] * 17).encode()):
        with pytest.raises(TrustError):
            read_certificates(Path("x"), wrong)


# --- keeping -------------------------------------------------------------------------


def test_the_first_stamp_of_a_tree_that_is_large_enough_is_found(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    assert (stamps.sizes(), stamps.first_of(0), stamps.newest_at()) == ([], None, None)
    for size in (3, 20, 100):
        stamps.keep(Stamp(size, b"note of %d" % size, b"token of %d" % size))
    found = {size: stamps.first_of(size) for size in (1, 3, 4, 100, 101)}
    sizes = {size: one and one.size for size, one in found.items()}
    assert sizes == {1: 3, 3: 3, 4: 20, 100: 100, 101: None}
    assert found[4] == Stamp(20, b"note of 20", b"token of 20")
    assert abs((stamps.newest_at() or 0) - time.time()) < 60


def test_what_was_half_written_or_is_no_stamp_is_not_listed(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    stamps.keep(Stamp(3, b"note", b"token"))
    for name in ("7.checkpoint", ".8.tsr.part", "09.tsr", "-1.tsr", "x.tsr", "9.tsr.bak"):
        (stamps.folder / name).write_bytes(b"x")
    assert stamps.sizes() == [3]


# --- while a log grows ---------------------------------------------------------------


def stamper(running: Stamping, log: Log, stamps: Stamps, **changes: Any) -> Stamper:
    authority = client(running, **changes)
    return Stamper(authority, stamps, log.latest_checkpoint, now, interval_s=0.1)


def test_each_tree_is_stamped_once_and_an_empty_one_never(
    running: Stamping, tmp_path: Path
) -> None:
    stamps = Stamps(tmp_path)
    asked = len(running.asked)
    with open_log(tmp_path / "ledger") as log:
        one = stamper(running, log, stamps)
        assert one.stamp()
        assert len(running.asked) == asked
        append_many(log, 0, 3)
        assert one.stamp()
        assert one.stamp()
        assert len(running.asked) == asked + 1
        append_many(log, 3, 4)
        assert one.stamp()
    assert stamps.sizes() == [3, 4]


def test_an_authority_that_is_away_stops_nothing_and_is_told_once(
    running: Stamping, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stamps = Stamps(tmp_path)
    running.manner = "down"
    with caplog.at_level(logging.ERROR, "charter"), open_log(tmp_path / "ledger") as log:
        one = stamper(running, log, stamps)
        append_many(log, 0, 3)
        one.start()
        deadline = time.monotonic() + 20
        asked = len(running.asked)
        while len(running.asked) < asked + 2:
            assert time.monotonic() < deadline
            append_many(log, log.size, log.size + 1)
            time.sleep(0.05)
        running.manner = "good"
        while not stamps.sizes():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        one.close()
    assert caplog.text.count("no timestamp over the log") == 1


# --- end to end ----------------------------------------------------------------------


def test_a_decision_is_bounded_by_a_timestamp_that_an_auditor_verifies(
    running: Stamping, tmp_path: Path, charter: Charter
) -> None:
    (tmp_path / "roots.pem").write_text("".join(running.roots()))
    arguments = [
        "--timestamp-url", running.url, "--timestamp-roots", str(tmp_path / "roots.pem"),
        "--timestamp-ca", str(running.tls_roots), "--timestamp-networks", "127.0.0.0/8,::1/128",
        "--timestamp-interval", "10",
    ]  # fmt: skip
    with served(tmp_path, *arguments) as gateway:
        answer = gateway.ask(question(), token=gateway.own).json
        size = int(answer["proof"].rpartition("\n\n")[0].rpartition("\n\n")[2].split("\n")[1])
        deadline = time.monotonic() + 30
        while (found := gateway.gateway.request("GET", f"/v1/timestamps/{size}")).status != 200:
            assert (found.status, time.monotonic() < deadline) == (404, True)
            time.sleep(0.2)
        for wrong in ("0", "01", "-1", "x", "9" * 30, "999"):
            assert gateway.gateway.request("GET", f"/v1/timestamps/{wrong}").status == 404
    files = {"answer.json": json.dumps(answer).encode(), "stamped.json": found.body}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    trust = json.loads((tmp_path / "state" / "trust.json").read_bytes())
    stamped = {"roots": list(running.roots()), "required": True}
    trust |= {"format": "charter-trust/v2", "timestamps": stamped}
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    packed = charter(
        "pack", tmp_path / "answer.json", "--stamped", tmp_path / "stamped.json",
        "--output", tmp_path / "evidence.zip",
    )  # fmt: skip
    assert packed.code == 0, packed.err
    ran = charter(
        "verify", "--bundle", tmp_path / "evidence.zip", "--trust", tmp_path / "trust.json"
    )
    assert (ran.code, json.loads(ran.out)["reason"]) == (0, "verified"), ran.out


def test_operators_see_when_the_log_was_last_stamped(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    with World(tmp_path) as world:
        trust = world.trust.to_json()
        app = create_app(world.service, Callers(()), trust, stamps=stamps)
        name = b"charter_log_stamped_timestamp_seconds "
        assert name not in app.metrics.text()
        stamps.keep(Stamp(3, b"note", b"token"))
        (line,) = [one for one in app.metrics.text().splitlines() if one.startswith(name)]
        assert abs(float(line.split()[1]) - time.time()) < 60


def test_a_timestamp_comes_with_what_leads_to_its_tree(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    with open_log(tmp_path / "ledger") as log:
        append_many(log, 0, 3)
        old = log.latest_checkpoint()
        append_many(log, 3, 300)
        stamps.keep(Stamp(300, log.latest_checkpoint().encode(), b"token"))
        append_many(log, 300, 310)
    door = StampDoor(stamps.first_of, lambda: TileReader.open(tmp_path / "ledger"))
    read: Any = vars(StampDoor)["_read"]
    body = read(door, 3)
    assert (body["size"], body["from"]) == (300, 3)
    path = [b64decode(one) for one in body["consistency"]]
    trees = [parse_checkpoint(parse_note(one.encode())) for one in (old, body["checkpoint"])]
    check_extends(trees[0], trees[1], path)
    assert read(door, 300)["consistency"] == []
    assert (read(door, 301), read(door, 0)) == (None, None)
