"""The state folder: made whole or not used, never replaced, closed to others."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, KeyFileError, LedgerError
from gateway.keys.custody import Custody
from gateway.ledger.guard import LedgerBehindError
from gateway.rotation import rotate
from gateway.rotation_ground import Given
from gateway.state import DEFAULT_ORIGIN, State, open_state
from gateway.verify import Trust
from tests.gateway.ledger.logs import append_many
from tests.gateway.world import NOW

FILES = ["checkpoint.key", "decision.key", "decision.pem", "origin", "tokens.json", "trust.json"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_missing_folder_is_made_closed_to_others(tmp_path: Path) -> None:
    state = open_state(tmp_path / "a" / "b")
    assert sorted(path.name for path in state.folder.iterdir()) == FILES
    assert mode(state.folder) == 0o700
    assert {mode(state.folder / name) for name in FILES[:2] + FILES[4:5]} == {0o600}
    assert state.new_token is not None
    assert (state.folder / "decision.pem").read_text() == state.decision_key.public.pem
    assert "PRIVATE" not in (state.folder / "trust.json").read_text()


def test_an_empty_folder_is_used_and_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_state(tmp_path)
    assert mode(tmp_path) == 0o700


def test_the_second_time_everything_is_as_it_was(tmp_path: Path) -> None:
    first = open_state(tmp_path, origin="ledger.example/eu")
    before = snapshot(tmp_path)
    second = open_state(tmp_path)
    assert second.new_token is None
    assert second.trust() == first.trust()
    assert second.checkpoint_key.public.name == "ledger.example/eu"
    assert snapshot(tmp_path) == before


def test_the_trust_file_is_what_verification_reads(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    trust = Trust.from_json((tmp_path / "trust.json").read_bytes())
    assert (trust.origin, list(trust.decision_keys)) == (
        DEFAULT_ORIGIN,
        [state.decision_key.key_id],
    )
    assert trust.to_json() == json.loads((tmp_path / "trust.json").read_text())


def test_the_token_of_a_new_folder_works(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    assert state.callers().authenticate(f"Bearer {state.new_token}", now=NOW).tenant == "default"


# --- what is refused, and left as it is ----------------------------------------------


@pytest.mark.parametrize("kept", range(1, len(FILES)))
def test_a_half_made_folder_is_refused_and_left_alone(tmp_path: Path, kept: int) -> None:
    # In the order in which they are written; the name of the log comes last.
    order = ["decision.key", "checkpoint.key", "tokens.json", "decision.pem", "trust.json"]
    open_state(tmp_path)
    for name in ["origin", *order[kept:]]:
        (tmp_path / name).unlink()
    before = snapshot(tmp_path)
    with pytest.raises(ConfigurationError, match="not set up to its end"):
        open_state(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigurationError, match="not empty"):
        open_state(tmp_path)
    assert snapshot(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_log_never_changes_its_origin(tmp_path: Path) -> None:
    open_state(tmp_path, origin="ledger.example/eu")
    before = snapshot(tmp_path)
    with pytest.raises(ConfigurationError, match="never changes its origin"):
        open_state(tmp_path, origin="ledger.example/us")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("origin", ["two words", "a+b", "a\nb", "x" * 257])
def test_a_name_that_no_log_can_have_is_refused_before_anything_is_made(
    tmp_path: Path, origin: str
) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a log"):
        open_state(tmp_path / "s", origin=origin)
    assert not (tmp_path / "s").exists()


KEY_DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.chmod(0o640), "chmod 600"),
    (lambda path: path.chmod(0o604), "chmod 600"),
    (lambda path: path.unlink(), "No such file"),
    (lambda path: path.write_text("no key"), "no unencrypted private key"),
    (lambda path: path.write_bytes(b""), "no unencrypted private key"),
]


@pytest.mark.parametrize("name", ["decision.key", "checkpoint.key"])
@pytest.mark.parametrize(("damage", "words"), KEY_DAMAGE)
def test_a_damaged_key_is_refused_and_not_replaced(
    tmp_path: Path, name: str, damage: Callable[[Path], object], words: str
) -> None:
    open_state(tmp_path)
    damage(tmp_path / name)
    before = snapshot(tmp_path)
    with pytest.raises(KeyFileError, match=words):
        open_state(tmp_path)
    assert snapshot(tmp_path) == before


def test_keys_in_each_others_place_are_refused(tmp_path: Path) -> None:
    open_state(tmp_path)
    keys = [tmp_path / "decision.key", tmp_path / "checkpoint.key"]
    (tmp_path / "x").write_bytes(keys[0].read_bytes())
    keys[0].write_bytes(keys[1].read_bytes())
    with pytest.raises(KeyFileError, match="P-256"):
        open_state(tmp_path)


@pytest.mark.parametrize("open_to", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_change_is_refused(tmp_path: Path, open_to: int) -> None:
    open_state(tmp_path)
    tmp_path.chmod(open_to)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        open_state(tmp_path)


@pytest.mark.parametrize("text", [b"", b"two words\n", b"\xff\xfe"])
def test_a_damaged_name_of_the_log_is_refused(tmp_path: Path, text: bytes) -> None:
    open_state(tmp_path)
    (tmp_path / "origin").write_bytes(text)
    with pytest.raises(ConfigurationError):
        open_state(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    for folder in (tmp_path / "s", tmp_path / "s" / "below"):
        with pytest.raises(ConfigurationError, match="cannot use it as state folder"):
            open_state(folder)


@pytest.mark.parametrize("below", ["charter", "charter/state"])
def test_a_folder_of_another_user_is_refused_with_whose_it_is(below: str) -> None:
    was = os.geteuid()
    if was == 0:  # whom nothing is refused
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigurationError, match="is of user 0, and this is user") as raised:
            open_state(Path("/usr") / below)
    finally:
        os.seteuid(was)
    assert "cannot use it as state folder: " in str(raised.value)


def test_another_key_for_the_same_ledger_is_refused(tmp_path: Path) -> None:
    state = open_state(tmp_path / "a")
    state.open_ledger().close()
    other = open_state(tmp_path / "b")
    mixed = State(tmp_path / "a", state.decision_key, other.checkpoint_key, None)
    with pytest.raises(LedgerError, match="configured key"):
        mixed.open_ledger()


def test_one_ledger_is_opened_once(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    with state.open_ledger(), pytest.raises(LedgerError, match="another process"):
        state.open_ledger()


def test_who_is_not_told_where_it_is_kept_what_was_seen_looks_where_the_gateway_did(
    tmp_path: Path,
) -> None:
    folder, elsewhere = tmp_path / "state", tmp_path / "else" / "seen"
    state = open_state(folder)
    with state.open_ledger(seen_file=elsewhere) as log:
        append_many(log, 0, 2)
    shutil.copytree(folder, tmp_path / "old")
    with state.open_ledger(seen_file=elsewhere) as log:
        append_many(log, 2, 3)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    with pytest.raises(LedgerBehindError, match="3 were signed"):
        open_state(folder).open_ledger()
    with pytest.raises(LedgerBehindError, match="3 were signed"):
        rotate(Given(folder, Custody()), "decision")
    assert not (tmp_path / "state.seen").exists()
    (folder / "seen.at").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"seen\.at"):
        open_state(folder).open_ledger()
