"""Callers: nobody gets in without the one right token, and no message tells secrets."""

import json
import stat
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.callers import Callers, TokenRow, issue
from gateway.callers.tokens import FIRST_LIFETIME
from gateway.errors import AuthenticationError, AuthorisationError, ConfigurationError

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SECRET = "s" * 43
TOKEN = f"charter_abcdef01_{SECRET}"
DIGEST = sha256(SECRET.encode()).hexdigest()


def row(**changes: Any) -> dict[str, Any]:
    row = {"id": "abcdef01", "sha256": DIGEST, "tenants": ["clinic-a"], "roles": ["scheduler"]}
    return {**row, **changes}


def callers(**changes: Any) -> Callers:
    return Callers((TokenRow.model_validate(row(**changes)),))


def test_the_right_token_gets_in_with_its_tenant_and_actions() -> None:
    caller = callers(actions=frozenset({"place"})).authenticate(f"Bearer {TOKEN}", now=NOW)
    assert (caller.id, caller.tenant, caller.actions) == ("abcdef01", "clinic-a", {"place"})


def test_the_scheme_is_read_without_regard_to_case() -> None:
    assert callers().authenticate(f"bearer {TOKEN}", now=NOW).tenant == "clinic-a"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN[:-1]}t",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN},{TOKEN}",
        f"Bearer charter_abcdef02_{SECRET}",
        f"Bearer charter_ABCDEF01_{SECRET}",
        f"Bearer charter__{SECRET}",
        f"Bearer charter_abcdef01_{'é' * 43}",
        f"Bearer charter_abcdef01_{DIGEST}",
        "Bearer " + "x" * 100_000,
    ],
)
def test_any_other_header_does_not(header: str | None) -> None:
    with pytest.raises(AuthenticationError) as caught:
        callers().authenticate(header, now=NOW)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 100


def test_an_unknown_id_and_a_wrong_secret_read_alike() -> None:
    words: set[str] = set()
    for token in (f"charter_abcdef02_{SECRET}", f"charter_abcdef01_{'t' * 43}"):
        with pytest.raises(AuthenticationError) as caught:
            callers().authenticate(f"Bearer {token}", now=NOW)
        words.add(str(caught.value))
    assert len(words) == 1


@pytest.mark.parametrize(("before_s", "counts"), [(1, True), (0, False), (-1, False)])
def test_a_token_counts_until_it_expires(before_s: int, counts: bool) -> None:
    known = callers(expires=NOW + timedelta(seconds=before_s))
    if counts:
        known.authenticate(f"Bearer {TOKEN}", now=NOW)
        return
    with pytest.raises(AuthenticationError, match="expired"):
        known.authenticate(f"Bearer {TOKEN}", now=NOW)


def test_an_expired_token_with_a_wrong_secret_does_not_say_that_it_has_expired() -> None:
    with pytest.raises(AuthenticationError, match="not known"):
        callers(expires=NOW).authenticate(f"Bearer charter_abcdef01_{'t' * 43}", now=NOW)


@pytest.mark.parametrize("action", ["flow", "", "Place", "place "])
def test_a_token_covers_its_actions_alone(action: str) -> None:
    caller = callers(actions=frozenset({"place"})).authenticate(f"Bearer {TOKEN}", now=NOW)
    caller.may("place")
    with pytest.raises(AuthorisationError):
        caller.may(action)


def test_a_token_without_any_action_covers_none() -> None:
    caller = callers(actions=frozenset()).authenticate(f"Bearer {TOKEN}", now=NOW)
    with pytest.raises(AuthorisationError):
        caller.may("place")


# --- the file ------------------------------------------------------------------------


def write(folder: Path, value: object, mode: int = 0o600) -> Path:
    path = folder / "tokens.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    path.chmod(mode)
    return path


def file_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"format": "charter-tokens/v1", "tokens": list(rows)}


DAMAGE: list[tuple[str, object, str]] = [
    ("no token", file_of(), "nobody could ask"),
    ("an id twice", file_of(row(), row(tenants=["clinic-b"])), "twice"),
    ("another format", file_of(row()) | {"format": "charter-tokens/v2"}, "format"),
    ("a list", [row()], "no token file"),
    ("not JSON", "{", "no token file"),
    ("empty", "", "no token file"),
    ("an unknown member", file_of(row(admin=True)), "tokens.0.admin"),
    ("a plain secret", file_of(row(sha256=SECRET)), "tokens.0.sha256"),
    ("a digest in capitals", file_of(row(sha256=DIGEST.upper())), "tokens.0.sha256"),
    ("a short id", file_of(row(id="abc")), "tokens.0.id"),
    ("an id with an underscore", file_of(row(id="abcdef_01")), "tokens.0.id"),
    ("no tenants", file_of(row(tenants=[])), "tokens.0.tenants"),
    ("a tenant twice", file_of(row(tenants=["a", "a"])), "tokens.0.tenants"),
    ("65 tenants", file_of(row(tenants=[str(n) for n in range(65)])), "tokens.0.tenants"),
    ("an empty tenant", file_of(row(tenants=[""])), "tokens.0.tenants.0"),
    ("the tenant of the gateway", file_of(row(tenants=["self check"])), "tokens.0.tenants.0"),
    ("a tenant with a line break", file_of(row(tenants=["a\nb"])), "tokens.0.tenants.0"),
    ("a tenant that is too long", file_of(row(tenants=["a" * 257])), "tokens.0.tenants.0"),
    ("no role", file_of(row(roles=[])), "tokens.0.roles"),
    ("an unknown role", file_of(row(roles=["root"])), "tokens.0.roles.0"),
    ("a role in capitals", file_of(row(roles=["Auditor"])), "tokens.0.roles.0"),
    ("one role, not a list", file_of(row(roles="auditor")), "tokens.0.roles"),
    ("a label with an escape", file_of(row(label="a\x1b[2J")), "tokens.0.label"),
    ("one action, not a list", file_of(row(actions="place")), "tokens.0.actions"),
    ("an end without time zone", file_of(row(expires="2027-01-01T00:00:00")), "tokens.0.expires"),
    ("an end that is no time", file_of(row(expires="soon")), "tokens.0.expires"),
]


@pytest.mark.parametrize(
    ("value", "words"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE]
)
def test_a_damaged_token_file_is_refused_without_quoting_it(
    tmp_path: Path, value: object, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Callers.load(write(tmp_path, value))
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert DIGEST not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_token_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, file_of(row()), mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Callers.load(path)


def test_a_missing_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        Callers.load(tmp_path / "tokens.json")


def test_an_issued_token_works_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = issue(path, tenant="clinic-a", actions=frozenset({"place"}))
    caller = Callers.load(path).authenticate(f"Bearer {token}", now=NOW)
    assert (caller.tenant, caller.actions) == ("clinic-a", {"place"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.rpartition("_")[2] not in path.read_text()
    assert token.split("_", 2)[2] not in path.read_text()


def test_a_first_token_counts_for_a_year_and_no_day_more(tmp_path: Path) -> None:
    token = issue(tmp_path / "tokens.json", tenant="clinic-a", now=NOW)
    known = Callers.load(tmp_path / "tokens.json")
    known.authenticate(f"Bearer {token}", now=NOW + FIRST_LIFETIME - timedelta(seconds=1))
    with pytest.raises(AuthenticationError, match="expired"):
        known.authenticate(f"Bearer {token}", now=NOW + FIRST_LIFETIME)
    assert timedelta(days=365) == FIRST_LIFETIME


def test_issuing_never_overwrites(tmp_path: Path) -> None:
    path = write(tmp_path, file_of(row()))
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        issue(path, tenant="clinic-a")
    assert path.read_bytes() == before


def test_no_two_tokens_are_alike(tmp_path: Path) -> None:
    assert len({issue(tmp_path / str(n), tenant="t") for n in range(20)}) == 20
