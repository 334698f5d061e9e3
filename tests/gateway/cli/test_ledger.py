"""`charter ledger` as an operator runs it."""

import json
from pathlib import Path

import pytest

from gateway.cli import exit_codes
from gateway.cli.progress import shown
from gateway.kept import keep
from tests.gateway.cli.commands import Charter, finish, start
from tests.gateway.keeping.states import ORIGIN, copied, damage, decided_state, make_state
from tests.gateway.world import made, sites


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("whole") / "state", 300).folder


@pytest.fixture
def state(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "state")


def test_a_whole_ledger_is_said_to_be_good(charter: Charter, whole: Path) -> None:
    ran = charter("ledger", "fsck", "--state", whole, "--jobs", "2")
    assert (ran.code, ran.err) == (exit_codes.OK, "")
    assert ran.out.startswith(f"OK: {ORIGIN}, entries 0 to 299, 4 checkpoints; 0 findings")


def test_each_finding_says_what_and_where_and_what_to_do(charter: Charter, state: Path) -> None:
    damage(state, "UPDATE record SET tenant = 'clinic\x1b[31m-b' WHERE idx = 3")
    ran = charter("ledger", "fsck", "--state", state)
    assert ran.code == exit_codes.REFUSED
    assert "FOUND place: entry 3:" in ran.out
    assert "[entry-000003]" in ran.out
    assert "  do: " in ran.out
    assert "\x1b" not in ran.out
    assert "\nDAMAGED: " in ran.out


def test_programs_get_a_list(charter: Charter, state: Path) -> None:
    damage(state, "DELETE FROM tile")
    ran = charter("ledger", "fsck", "--state", state, "--format", "json")
    said = json.loads(ran.out)
    assert (ran.code, said["good"], said["damages"]) == (exit_codes.REFUSED, False, 1)
    (one,) = said["findings"]
    assert {"check", "level", "index", "id", "what", "do"} == one.keys()


def test_notices_count_where_that_is_asked(charter: Charter, state: Path) -> None:
    damage(state, "UPDATE record SET logged_at = '2026-11-22T09:31:00.000Z' WHERE idx = 9")
    assert charter("ledger", "fsck", "--state", state).code == exit_codes.OK
    strict = charter("ledger", "fsck", "--state", state, "--strict")
    assert strict.code == exit_codes.REFUSED


def test_another_trust_file_makes_another_verdict(
    charter: Charter, whole: Path, tmp_path: Path
) -> None:
    other = make_state(tmp_path, 1).folder / "trust.json"
    assert charter("ledger", "fsck", "--state", whole, "--trust", other).code == exit_codes.REFUSED


GROUNDS = ["--reason", "asked", "--authority", "GDPR art 17", "--by", "officer"]
WRONG: dict[str, tuple[list[str], str]] = {
    "no ledger": (["fsck", "--state", "{none}"], "cannot read it"),
    "no trust file": (["fsck", "--trust", "{none}"], "cannot read it"),
    "a trust file that is none": (["fsck", "--trust", "{state}/origin"], "not strict JSON"),
    "no statistics": (["stats", "--state", "{none}"], "no ledger here"),
    "a number that is none": (["fsck", "--from", "-1"], "no number of an entry"),
    "no processes": (["fsck", "--jobs", "0"], "no number of processes"),
    "too many processes": (["fsck", "--jobs", "65"], "no number of processes"),
    "no backup": (["restore", "{none}", "--state", "{none}2"], "is no backup"),
    "no checkpoint": (["drill", "--seen", "{none}"], "cannot read it"),
    "a checkpoint that is none": (["drill", "--seen", "{state}/origin"], "does not hold"),
    "no rows": (["export", "--state", "{none}"], "no ledger here"),
    "Parquet as text": (["export", "--as", "parquet"], "name a file with --output"),
    "no column": (["export", "--without", "secret"], "no column `secret`"),
    "no instant": (["export", "--since", "yesterday"], "no instant such as"),
    "zones of a tenant": (["export", "--table", "zones", "--tenant", "a"], "given whole"),
    "a file that is there": (["export", "-o", "{state}/origin"], "exists already"),
    "no tiles": (["tiles", "{none}2", "--state", "{none}"], "ledger"),
    "tiles over a file": (["tiles", "{state}/origin"], "cannot write it"),
    "nothing to erase": (["erase", "x", *GROUNDS], "there is no entry 'x' to erase"),
    "an entry of the gateway": (["erase", "entry-000003", *GROUNDS], "one of the gateway's own"),
    "no grounds": (["erase", "x"], "are required: --reason, --authority, --by"),
    "empty grounds": (["erase", "x", *GROUNDS[:-1], " "], "by has 1 to"),
    "no ledger to erase from": (["erase", "x", *GROUNDS, "--state", "{none}"], "no ledger here"),
    "no room": (["backup", "{state}/origin/x"], "cannot write it"),
    "nothing to do": ([], "the following arguments are required"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_done_is_one_line(
    what: str, charter: Charter, state: Path, tmp_path: Path
) -> None:
    given, message = WRONG[what]
    arguments = [one.format(none=tmp_path / "none", state=state) for one in given]
    if arguments and "--state" not in arguments:
        arguments += ["--state", str(state)]
    ran = charter("ledger", *arguments)
    assert (ran.code, ran.out) == (exit_codes.FAILED, "")
    assert message in ran.line


def test_copies_and_a_drill(charter: Charter, whole: Path, tmp_path: Path) -> None:
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    made = json.loads(charter("ledger", "backup", backup, "--state", whole, "--format", "json").out)
    ran = charter("ledger", "restore", backup, "--state", restored, "--expect", made["digest"])
    assert ran.code == exit_codes.OK
    assert "two histories of one log cannot be mended" in ran.err
    assert "private keys were not in the backup" in ran.err
    assert charter("ledger", "fsck", "--state", restored).code == exit_codes.OK
    receipt = tmp_path / "receipt.json"
    drilled = charter("ledger", "drill", "--state", whole, "--save", receipt, "--quick")
    assert drilled.out.startswith(f"OK: a backup of {ORIGIN} can be put back")
    assert json.loads(receipt.read_text())["size"] == 300


def test_numbers_of_a_ledger(charter: Charter, whole: Path) -> None:
    said = json.loads(charter("ledger", "stats", "--state", whole, "--format", "json").out)
    assert (said["entries"], said["tenants"]) == (300, {"self check": 300})
    assert said["verdicts"] == {"own: self-check": 300}
    assert (said["days"], said["entries_a_day"]) == ({"2026-11-22": 300}, 300.0)
    assert said["checkpoint"]["size"] == 300
    assert said["bytes_an_entry"] > 100
    text = charter("ledger", "stats", "--state", whole).out
    assert "verdict      own: self-check  300" in text


def test_rows_go_to_a_file_or_to_standard_output(
    charter: Charter, whole: Path, tmp_path: Path
) -> None:
    ran = charter("ledger", "export", "--state", whole, "-o", tmp_path / "d", "--without", "leaf")
    assert ran.out.startswith("OK: 300 rows are in ")
    lines = (tmp_path / "d").read_text().splitlines()
    assert "leaf" not in json.loads(lines[7])
    process = finish(start("ledger", "export", "--state", whole, "--without", "leaf"))
    assert process.out.splitlines() == lines
    table = charter("ledger", "export", "--state", whole, "--table", "zones", "-o", tmp_path / "z")
    assert table.out.startswith("OK: 0 rows")


def test_the_log_is_written_as_files_that_verify(
    charter: Charter, whole: Path, tmp_path: Path
) -> None:
    assert charter("ledger", "tiles", tmp_path / "log", "--state", whole).out.startswith("OK: 300")
    again = charter("ledger", "tiles", tmp_path / "log", "--state", whole, "--format", "json")
    assert json.loads(again.out) == {"size": 300, "files": 0}
    trust = whole / "trust.json"
    assert charter("verify", "--ledger", tmp_path / "log", "--trust", trust).code == exit_codes.OK


def test_a_record_is_erased_and_the_ledger_holds(charter: Charter, tmp_path: Path) -> None:
    first, second = decided_state(tmp_path / "state", [{}, {"resource__id": "far"}])
    # The clock of the records stands at another day than that of the command.
    command = ("ledger", "erase", first, "--state", tmp_path / "state", *GROUNDS)
    said = json.loads(charter(*command, "--format", "json").out)
    assert (said["id"], said["index"], said["erasure_index"]) == (first, 0, 2)
    assert charter("ledger", "fsck", "--state", tmp_path / "state").code == exit_codes.OK
    assert "is erased" in charter(*command).line
    ran = charter("ledger", "stats", "--state", tmp_path / "state")
    assert "verdict      erased  1" in ran.out
    assert second not in ran.out


def test_logs_that_have_ended_are_checked_and_copied_too(
    charter: Charter, state: Path, tmp_path: Path
) -> None:
    ended = charter(
        "ledger", "shard", "--state", state, "--origin", "ledger.example/next", "--reason", "new"
    )
    assert ended.code == exit_codes.OK, ended.err
    ran = charter("ledger", "fsck", "--state", state)
    assert (ran.code, ran.out.count("OK: ")) == (exit_codes.OK, 2)
    assert charter("ledger", "backup", tmp_path / "b", "--state", state).code == exit_codes.OK
    assert charter("ledger", "fsck", "--state", tmp_path / "b").out == ran.out
    put = charter("ledger", "restore", tmp_path / "b", "--state", tmp_path / "r")
    assert put.code == exit_codes.OK, put.err
    assert charter("ledger", "fsck", "--state", tmp_path / "r").out == ran.out
    damage(state / "shards" / "1", "DELETE FROM tile")
    assert charter("ledger", "fsck", "--state", state).code == exit_codes.REFUSED
    damage(state / "shards" / "1", "DROP TRIGGER record_has_ended", triggers=True)
    said = json.loads(charter("ledger", "fsck", "--state", state, "--format", "json").out)
    assert [one["check"] for one in said["ended"][0]["findings"]] == ["schema", "tile"]
    assert said["good"]


def test_a_bundle_that_is_not_kept_is_a_notice_and_a_damaged_one_is_damage(
    charter: Charter, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    decided_state(state, [{}])
    assert "0 notices" in charter("ledger", "fsck", "--state", state).out
    (state / "bundles").mkdir()
    ran = charter("ledger", "fsck", "--state", state)
    assert (ran.code, "notice bundle: " in ran.out) == (exit_codes.OK, True)
    keep(state, made(), sites(), [])
    assert "0 notices" in charter("ledger", "fsck", "--state", state).out
    (path,) = (state / "bundles").iterdir()
    path.write_bytes(path.read_bytes()[:-50])
    ran = charter("ledger", "fsck", "--state", state)
    assert (ran.code, "FOUND bundle: " in ran.out) == (exit_codes.REFUSED, True)


class _Terminal:
    def __init__(self, *, is_one: bool) -> None:
        self.text = ""
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(("is_one", "style"), [(False, "human"), (True, "plain"), (True, "json")])
def test_progress_is_for_people_at_a_terminal(is_one: bool, style: str) -> None:
    screen = _Terminal(is_one=is_one)
    with shown(screen, style=style) as told:  # pyright: ignore[reportArgumentType]
        told("entries", 1, 2)
    assert screen.text == ""


def test_progress_says_how_much_is_done_and_is_gone_afterwards() -> None:
    screen = _Terminal(is_one=True)
    with shown(screen) as told:  # pyright: ignore[reportArgumentType]
        told("entries", 1, 2)
        told("entries", 2, 2)
        told("pages", 0, 0)
    assert "entries  [############            ]  50%  1 of 2" in screen.text
    assert screen.text.endswith("\r\x1b[K")
