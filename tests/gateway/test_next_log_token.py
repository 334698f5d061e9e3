"""A log ends whose key is in a token, and the next one has its key there, or in a file."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import next_log_files
from gateway.errors import ConfigurationError, GatewayError
from gateway.keys.custody import Custody
from gateway.keys.hsm_keys import HsmCheckpointKey, open_checkpoint_key
from gateway.keys.pin import VARIABLE
from gateway.ledger.proof import verify_proof
from gateway.ledger.shards import shard_folders, with_older
from gateway.next_log import change, prepare
from gateway.next_log_files import finish
from gateway.state import State, open_state
from gateway.verify import Trust
from tests.gateway.cli.commands import Charter
from tests.gateway.ledger.logs import append, append_many, body_of
from tests.softhsm import PIN, SoftHsm, soft_hsm

OLD, NEW = "ledger.example/2026", "ledger.example/2027"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    monkeypatch.setenv(VARIABLE, PIN)
    return soft_hsm(tmp_path / "hsm", monkeypatch)


@pytest.fixture
def charter(capsys: pytest.CaptureFixture[str]) -> Charter:
    return Charter(capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def in_token(folder: Path, token: SoftHsm) -> Generator[State]:
    """A gateway with three entries whose log key is in a token."""
    open_checkpoint_key(token.key("old"), PIN, name=OLD, make=True).close()
    with closing(opened(folder, token.uri("old"), origin=OLD)) as state:
        with state.open_ledger() as log:
            append_many(log, 0, 3)
        yield state


def opened(folder: Path, place: str, **options: Any) -> State:
    return open_state(folder, custody=Custody(checkpoint=place), **options)


def new_key(token: SoftHsm, name: str = NEW, *, make: bool = True) -> HsmCheckpointKey:
    return open_checkpoint_key(token.key("new"), PIN, name=name, make=make)


def check_goes_on(folder: Path, place: str) -> None:
    """Both logs are read and proved, and the new one takes entries."""
    trust = Trust.from_json((folder / "trust.json").read_bytes())
    with closing(opened(folder, place)) as state:
        ledger = with_older(state.open_ledger(), folder)
        with closing(ledger):
            ledger.append("entry-9", "clinic-a", body_of("entry-9")).result(30)
            for entry_id, origin in (("entry-0", OLD), ("entry-9", NEW)):
                text = ledger.proof(entry_id)
                assert text is not None
                (key,) = trust.log_keys(origin)
                verify_proof(body_of(entry_id), text, key, origin=origin)


def test_from_a_token_into_a_file(folder: Path, in_token: State) -> None:
    changed = change(in_token, NEW, reason="a new year", clock=now)
    assert (changed.old, changed.size) == (OLD, 3)
    check_goes_on(folder, "file")


def test_from_a_file_into_a_token(folder: Path, token: SoftHsm) -> None:
    state = open_state(folder, origin=OLD)
    with state.open_ledger() as log:
        append_many(log, 0, 3)
    with closing(new_key(token)) as key:
        change(state, NEW, reason="a new year", clock=now, key=key)
    assert list(folder.rglob("checkpoint*.key")) == []
    check_goes_on(folder, token.uri("new"))


def test_from_a_token_into_a_token_prepared_before(
    folder: Path, in_token: State, token: SoftHsm
) -> None:
    with closing(new_key(token)) as key:
        vkey = prepare(in_token, NEW, key=key)
    trust = Trust.from_json((folder / "trust.json").read_bytes())
    assert [one.vkey for one in trust.log_keys(NEW)] == [vkey]
    with in_token.open_ledger() as log:
        append(log, "entry-3")
    with closing(opened(folder, token.uri("old"))) as state:
        with pytest.raises(ConfigurationError, match="in no file"):
            change(state, NEW, reason="x", clock=now)
        other = open_checkpoint_key(token.key("other"), PIN, name=NEW, make=True)
        with closing(other), pytest.raises(ConfigurationError, match="with another key"):
            change(state, NEW, reason="x", clock=now, key=other)
        with closing(new_key(token, make=False)) as key:
            assert change(state, NEW, reason="x", clock=now, key=key).vkey == vkey
    check_goes_on(folder, token.uri("new"))


def test_the_key_of_a_log_is_not_that_of_the_next_one(
    folder: Path, in_token: State, token: SoftHsm
) -> None:
    with closing(open_checkpoint_key(token.key("old"), PIN, name=NEW)) as same:
        for do in (
            lambda: prepare(in_token, NEW, key=same),
            lambda: change(in_token, NEW, reason="x", clock=now, key=same),
        ):
            with pytest.raises(ConfigurationError, match="that no log has had"):
                do()
    assert shard_folders(folder) == []
    with in_token.open_ledger() as log:
        append(log, "entry-3")


class CutError(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", [*range(0, 8, 3), *range(8, 21, 2)])
def test_who_goes_on_after_a_crash_does_not_take_the_new_file_for_the_old_key(
    folder: Path, in_token: State, monkeypatch: pytest.MonkeyPatch, token: SoftHsm, at: int
) -> None:
    left = [at]

    def cut(do: Callable[..., Any]) -> Callable[..., Any]:
        def one(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise CutError
            return do(*arguments, **options)

        return one

    with monkeypatch.context() as broken:
        for name in ("_sync", "end_log"):
            broken.setattr(next_log_files, name, cut(getattr(next_log_files, name)))
        for name in ("rename", "replace", "unlink"):
            broken.setattr(Path, name, cut(getattr(Path, name)))
        try:
            change(in_token, NEW, reason="a new year", clock=now)
        except CutError:
            pass
        else:
            assert at >= 16, "nothing was cut off"
    if (folder / "shard.json").exists():
        assert finish(folder)
    elif not shard_folders(folder):
        with closing(opened(folder, token.uri("old"))) as state:
            change(state, NEW, reason="a new year", clock=now)
    assert not finish(folder)
    check_goes_on(folder, "file")


# --- as its user runs it -------------------------------------------------------------


def test_the_command_says_what_to_set_and_what_to_destroy(
    charter: Charter, folder: Path, in_token: State, token: SoftHsm, tmp_path: Path
) -> None:
    new = token.uri("new")
    made = charter("keys", "new", new, "--purpose", "checkpoint", "--name", NEW)
    assert made.code == 0, made.err
    config = tmp_path / "charter.toml"
    config.write_text(
        f'[state]\nfolder = "state"\norigin = "{OLD}"\n[keys]\ncheckpoint = "{token.uri("old")}"\n'
    )
    config.chmod(0o600)
    arguments = ("ledger", "shard", "--config", config, "--origin", NEW, "--to", new)
    ran = charter(*arguments, "--reason", "a new year")
    assert ran.code == 0, ran.err
    assert f"set    keys.checkpoint = {new}" in ran.out
    assert f"kept   {token.uri('old')}: it signs no more" in ran.out
    check_goes_on(folder, new)
    refused = charter("ledger", "erase", "entry-0", "--config", config, *WHY)
    assert refused.code == 1
    assert "another log or another key" in refused.line
    erased = charter("ledger", "erase", "entry-0", "--state", folder, "--checkpoint-key", new, *WHY)
    assert erased.code == 0, erased.err


WHY = ("--reason", "r", "--authority", "a", "--by", "b")


def test_without_the_token_nothing_changes(
    charter: Charter, folder: Path, in_token: State, token: SoftHsm
) -> None:
    before = (folder / "trust.json").read_bytes()
    for more in (
        (),
        ("--checkpoint-key", token.uri("nobody")),
        ("--checkpoint-key", token.uri("old"), "--to", token.uri("nobody")),
        ("--checkpoint-key", token.uri("old"), "--to", token.uri("old")),
    ):
        said = ("--origin", NEW, "--reason", "x", *more)
        ran = charter("ledger", "shard", "--state", folder, *said, "--format", "json")
        assert (ran.code, ran.out) == (1, ""), ran
    assert (folder / "trust.json").read_bytes() == before
    assert not (folder / "shard.json").exists()
    with in_token.open_ledger() as log:
        append(log, "entry-3")


def test_what_the_settings_call_the_log_is_not_the_name_of_the_next_one(
    charter: Charter, folder: Path, tmp_path: Path
) -> None:
    open_state(folder, origin=OLD)
    config = tmp_path / "charter.toml"
    config.write_text(f'[state]\nfolder = "state"\norigin = "{NEW}"\n')
    config.chmod(0o600)
    ran = charter("ledger", "shard", "--config", config, "--reason", "x")
    assert (ran.code, "name the next log" in ran.line) == (1, True)
    assert json.loads((folder / "trust.json").read_bytes())["log"]["origin"] == OLD
    with pytest.raises(GatewayError):
        open_state(folder, origin=NEW)
