"""`charter token` as its user runs it, with a gateway that runs meanwhile."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.callers import Callers
from gateway.state import open_state
from tests.gateway.cli.commands import Charter
from tests.gateway.serving import served
from tests.gateway.world import question

NEW = ("--tenant", "clinic-a", "--role", "scheduler")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    open_state(tmp_path / "state")
    return tmp_path / "state"


def tokens(state: Path) -> bytes:
    return (state / "tokens.json").read_bytes()


def test_a_token_is_shown_once_and_counts_for_90_days(charter: Charter, state: Path) -> None:
    ran = charter("token", "create", *NEW, "--action", "place", "--state", state)
    text = ran.out.strip()
    assert ran.code == 0
    assert ran.out.count("charter_") == 1
    assert "charter_" not in ran.err
    known = Callers.load(state / "tokens.json")
    now = datetime.now(UTC)
    caller = known.authenticate(f"Bearer {text}", now=now + timedelta(days=89, hours=23))
    assert (caller.tenant, caller.roles, caller.actions) == ("clinic-a", {"scheduler"}, {"place"})
    assert text.split("_", 2)[2].encode() not in tokens(state)
    listed = charter("token", "list", "--state", state)
    assert text.split("_")[1] in listed.out
    assert text.split("_", 2)[2] not in listed.out + listed.err
    with pytest.raises(Exception, match="expired"):
        known.authenticate(f"Bearer {text}", now=now + timedelta(days=91))


def test_a_token_that_is_saved_is_its_owners_alone_and_not_shown(
    charter: Charter, state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    ran = charter("token", "create", *NEW, "--save", file, "--state", state)
    assert ran.out.startswith("OK: token ")
    assert "charter_" not in ran.out + ran.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    Callers.load(state / "tokens.json").authenticate(
        f"Bearer {file.read_text().strip()}", now=datetime.now(UTC)
    )


def test_the_list_is_for_programs_too_and_holds_no_hash(charter: Charter, state: Path) -> None:
    charter("token", "create", *NEW, "--label", "ward \x07 seven", "--state", state)
    charter("token", "create", *NEW, "--label", "ward seven", "--days", "1", "--state", state)
    rows = json.loads(charter("token", "list", "--format", "json", "--state", state).out)
    assert [row["label"] for row in rows] == ["first", "ward seven"]
    assert rows[1]["roles"] == ["scheduler"]
    assert rows[1]["counts"] is True
    assert all("sha256" not in row for row in rows)


REFUSED: list[tuple[str, tuple[str, ...], str]] = [
    ("no tenant", ("--role", "auditor"), "--tenant"),
    ("no role", ("--tenant", "t"), "--role"),
    ("an unknown role", ("--tenant", "t", "--role", "root"), "root"),
    ("an empty tenant", ("--tenant", "", "--role", "auditor"), "tenants"),
    ("the gateway", ("--tenant", "self check", "--role", "auditor"), "the gateway itself"),
    ("a tenant with an escape", ("--tenant", "a\x1b", "--role", "auditor"), "tenants"),
    ("a tenant twice", ("--tenant", "t", "--tenant", "t", "--role", "auditor"), "tenants"),
    ("an empty action", (*NEW, "--action", ""), "actions"),
    ("no day", (*NEW, "--days", "0"), "days"),
    ("days below nought", (*NEW, "--days", "-1"), "--days"),
    ("too many days", (*NEW, "--days", "3661"), "days"),
    ("days that are none", (*NEW, "--days", "ten"), "days"),
    ("a label with an escape", (*NEW, "--label", "\x1b[2J"), "label"),
    ("a label too long", (*NEW, "--label", "x" * 101), "label"),
]


@pytest.mark.parametrize(
    ("more", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_token_that_makes_no_sense_is_not_made(
    charter: Charter, state: Path, more: tuple[str, ...], words: str
) -> None:
    before = tokens(state)
    ran = charter("token", "create", *more, "--state", state)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert tokens(state) == before


def test_a_file_that_exists_is_never_written_over(
    charter: Charter, state: Path, tmp_path: Path
) -> None:
    taken, link = tmp_path / "taken", tmp_path / "link"
    taken.write_text("years of work")
    link.symlink_to(tmp_path / "elsewhere")
    before = tokens(state)
    for file in (taken, link):
        ran = charter("token", "create", *NEW, "--save", file, "--state", state)
        assert ran.code == 1
        assert "exists already" in ran.line
    assert taken.read_text() == "years of work"
    assert not (tmp_path / "elsewhere").exists()
    assert tokens(state) == before


def test_where_the_token_cannot_be_kept_none_is_left_behind(
    charter: Charter, tmp_path: Path
) -> None:
    ran = charter("token", "create", *NEW, "--save", tmp_path / "t", "--state", tmp_path / "none")
    assert ran.code == 1
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("command", [("token",), ("token", "destroy"), ("token", "revoke")])
def test_half_a_command_is_a_mistake(charter: Charter, command: tuple[str, ...]) -> None:
    assert charter(*command).code == 1


def test_an_unknown_id_is_not_revoked(charter: Charter, state: Path) -> None:
    before = tokens(state)
    ran = charter("token", "revoke", "0" * 12, "--state", state)
    assert ran.code == 1
    assert "charter token list" in ran.line
    assert tokens(state) == before


def test_a_running_gateway_takes_a_new_token_and_drops_a_revoked_one(
    charter: Charter, tmp_path: Path
) -> None:
    with served(tmp_path) as running:
        state = running.gateway.state
        new = charter("token", "create", *NEW, "--state", state).out.strip()
        assert running.ask(question(), token=new).status == 200
        assert charter("token", "revoke", new.split("_")[1], "--state", state).code == 0
        assert running.ask(question(), token=new).status == 401
        assert running.ask(question()).status == 200
        (state / "tokens.json").chmod(0o644)
        reply = running.ask(question())
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert reply.json["type"].endswith("/callers-unavailable")
        (state / "tokens.json").chmod(0o600)
        assert running.ask(question()).status == 200
        said = "".join(running.gateway.stderr)
        assert new.split("_", 2)[2] not in said
