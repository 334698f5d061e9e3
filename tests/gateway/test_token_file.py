"""Changes of the token file: whole or not at all, one after another, seen at once."""

import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.callers import Callers, Role, TokenFile, token_file, tokens
from gateway.callers.tokens import issue, make
from gateway.errors import AuthenticationError, CallersUnavailableError, ConfigurationError
from gateway.web.problem import CALLERS_UNAVAILABLE, of_error

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue(tmp_path / "tokens.json", tenant="clinic-a")
    return tmp_path


def ids(folder: Path) -> list[str]:
    return [row.id for row in token_file.read(folder).tokens]


def test_a_token_that_is_added_counts_at_the_next_question_and_not_after_it_is_removed(
    folder: Path,
) -> None:
    running = Callers.load(folder / "tokens.json")
    row, text = make(tenants=("clinic-b",), roles=frozenset({Role.AUDITOR}))
    with pytest.raises(AuthenticationError, match="not known"):
        running.authenticate(f"Bearer {text}", now=NOW)
    token_file.add(folder, row)
    caller = running.authenticate(f"Bearer {text}", now=NOW)
    assert (caller.tenant, caller.roles) == ("clinic-b", {Role.AUDITOR})
    assert running.tenants() == ("clinic-a", "clinic-b")
    token_file.remove(folder, row.id)
    with pytest.raises(AuthenticationError, match="not known"):
        running.authenticate(f"Bearer {text}", now=NOW)
    assert running.tenants() == ("clinic-a",)


def test_after_a_change_the_file_is_still_its_owners_alone(folder: Path) -> None:
    row, text = make(tenants=("t",))
    before = os.umask(0)
    try:
        token_file.add(folder, row)
    finally:
        os.umask(before)
    path = folder / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text.split("_", 2)[2] not in path.read_text()
    assert [one.name for one in folder.iterdir()] == ["tokens.json"]


def test_changes_at_once_lose_none(folder: Path) -> None:
    made = [make(tenants=("t",))[0] for _ in range(16)]
    threads = [threading.Thread(target=token_file.add, args=(folder, row)) for row in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ids(folder)) >= {row.id for row in made}
    assert len(ids(folder)) == 17


@pytest.mark.parametrize("name", ["", "abc", "0" * 12, "*", "../tokens"])
def test_what_is_not_there_cannot_be_removed(folder: Path, name: str) -> None:
    before = (folder / "tokens.json").read_bytes()
    with pytest.raises(ConfigurationError, match="no token"):
        token_file.remove(folder, name)
    assert (folder / "tokens.json").read_bytes() == before


def test_a_change_that_cannot_be_written_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = (folder / "tokens.json").read_bytes()
    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            with pytest.raises(ConfigurationError, match="No space left"):
                token_file.add(folder, make(tenants=("t",))[0])
        assert (folder / "tokens.json").read_bytes() == before
        assert [one.name for one in folder.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize("may", [True, False])
def test_tokens_that_root_makes_are_of_whom_the_folder_is_or_are_not_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    given: list[tuple[int, int]] = []

    def give(_handle: int, user: int, group: int) -> None:
        if not may:
            raise PermissionError(1, "Operation not permitted")
        given.append((user, group))

    owner, before = folder.stat(), (folder / "tokens.json").read_bytes()
    monkeypatch.setattr(os, "fchown", give)
    token_file.add(folder, make(tenants=("t",))[0])
    assert given == []  # it is its own
    (folder / "tokens.json").write_bytes(before)
    monkeypatch.setattr(os, "geteuid", lambda: owner.st_uid + 1)
    if may:
        token_file.add(folder, make(tenants=("t",))[0])
        assert given == [(owner.st_uid, owner.st_gid)]
        return
    with pytest.raises(ConfigurationError, match="cannot write it: Operation not permitted"):
        token_file.add(folder, make(tenants=("t",))[0])
    assert (folder / "tokens.json").read_bytes() == before
    assert [one.name for one in folder.iterdir()] == ["tokens.json"]


def test_a_folder_without_tokens_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigurationError, match="No such file"):
            token_file.add(place, make(tenants=("t",))[0])


# --- while a gateway runs ------------------------------------------------------------

BROKEN: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "open to others": lambda path: path.chmod(0o644),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "emptied": lambda path: path.write_bytes(b""),
    "of another format": lambda path: path.write_text('{"format": "charter-tokens/v2"}'),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_no_token_counts_while_the_file_is_broken_and_all_do_when_it_is_mended(
    tmp_path: Path, how: str
) -> None:
    """A token in it may have been revoked: what was read before says nothing any more."""
    path = tmp_path / "tokens.json"
    text = issue(path, tenant="clinic-a")
    running, good = Callers.load(path), path.read_bytes()
    BROKEN[how](path)
    for _ in range(2):
        with pytest.raises(CallersUnavailableError) as caught:
            running.authenticate(f"Bearer {text}", now=NOW)
        assert text.split("_", 2)[2] not in str(caught.value)
        assert of_error(caught.value) is CALLERS_UNAVAILABLE
    if path.is_dir():
        path.rmdir()
    path.write_bytes(good)
    path.chmod(0o600)
    assert running.authenticate(f"Bearer {text}", now=NOW).tenant == "clinic-a"


def test_the_last_token_can_be_revoked_while_a_gateway_runs(folder: Path) -> None:
    running = Callers.load(folder / "tokens.json")
    token_file.remove(folder, ids(folder)[0])
    with pytest.raises(AuthenticationError, match="not known"):
        running.authenticate(f"Bearer charter_abcdef01_{'s' * 43}", now=NOW)
    with pytest.raises(ConfigurationError, match="nobody could ask"):
        Callers.load(folder / "tokens.json")
    assert Callers.load(folder / "tokens.json", others=True).tenants() == ()


def test_a_file_of_the_same_length_and_time_is_read_again_all_the_same(folder: Path) -> None:
    """A restored time must not keep a revoked token alive."""
    path = folder / "tokens.json"
    running = Callers.load(path)
    file = TokenFile.model_validate_json(path.read_bytes())
    found = path.stat()
    row, text = make(tenants=("clinic-a",), label="first")
    path.write_bytes(TokenFile(tokens=(row.model_copy(update={"id": row.id}),)).to_bytes())
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.stat().st_size == found.st_size
    assert running.authenticate(f"Bearer {text}", now=NOW).id == row.id
    assert file.tokens[0].id != row.id
    assert json.loads(path.read_text())["tokens"][0]["id"] == row.id


# --- a gateway looks at the file now and then ------------------------------------------------


@pytest.mark.parametrize("change", ["taken away", "broken", "gone"])
def test_a_change_of_the_file_is_seen_once_the_while_is_over(
    folder: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(tokens, "monotonic", lambda: now)
    path = folder / "tokens.json"
    running = Callers.load(path, look_s=0.5)
    row, text = make(tenants=("clinic-b",))
    token_file.add(folder, row)
    now += 0.6
    assert running.authenticate(f"Bearer {text}", now=NOW).tenant == "clinic-b"
    if change == "taken away":
        token_file.remove(folder, row.id)
    elif change == "broken":
        path.write_text("{")
    else:
        path.unlink()
    now += 0.4
    running.authenticate(f"Bearer {text}", now=NOW)
    now += 0.2
    for _ in range(3):  # nor does it count while nobody can look
        with pytest.raises((AuthenticationError, CallersUnavailableError)):
            running.authenticate(f"Bearer {text}", now=NOW)


def test_a_token_that_runs_out_counts_no_longer_whenever_the_file_is_looked_at(
    folder: Path,
) -> None:
    row, text = make(tenants=("clinic-b",), expires=NOW)
    token_file.add(folder, row)
    running = Callers.load(folder / "tokens.json", look_s=1000)
    running.authenticate(f"Bearer {text}", now=NOW - timedelta(seconds=1))
    with pytest.raises(AuthenticationError, match="expired"):
        running.authenticate(f"Bearer {text}", now=NOW)


def test_what_a_gateway_may_miss_of_a_change_is_a_millisecond() -> None:
    assert tokens.LOOK_S <= 0.001
