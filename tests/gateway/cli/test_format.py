"""`charter format` as its user runs it."""

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter

MESSY = 'charter a.b\nrule   x "X" forbid # why\n'
NEAT = 'charter a.b\n\nrule x "X"\n  forbid  # why\n'
WRONG = 'charter a.b\nrule x "X" when (\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "messy.charter").write_text(MESSY)
    (tmp_path / "neat.charter").write_text(NEAT)
    (tmp_path / "note.txt").write_text(MESSY)
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_every_charter_below_a_folder_is_laid_out(charter: Charter, folder: Path) -> None:
    ran = charter("format", folder)
    assert (ran.code, ran.out, ran.err) == (0, "OK: 2 files, 1 laid out anew\n", "")
    assert (folder / "below" / "messy.charter").read_text() == NEAT
    assert (folder / "note.txt").read_text() == MESSY
    assert charter("format", folder).out == "OK: 2 files, 0 laid out anew\n"
    assert sorted(p.name for p in folder.rglob("*")) == [
        "below", "messy.charter", "neat.charter", "note.txt",
    ]  # fmt: skip


def test_check_names_what_is_not_laid_out_and_writes_nothing(
    charter: Charter, folder: Path
) -> None:
    messy = folder / "below" / "messy.charter"
    ran = charter("format", "--check", folder)
    assert (ran.code, ran.out) == (1, f"{messy}\n")
    assert ran.err == "1 of 2 files not laid out\n"
    assert messy.read_text() == MESSY
    assert charter("format", "--check", folder / "neat.charter").code == 0


def test_diff_shows_what_would_change_and_writes_nothing(charter: Charter, folder: Path) -> None:
    messy = folder / "below" / "messy.charter"
    ran = charter("format", "--diff", folder)
    assert ran.code == 0
    assert f"--- {messy}\n" in ran.out
    assert '-rule   x "X" forbid # why\n' in ran.out
    assert '+rule x "X"\n+  forbid  # why\n' in ran.out
    assert messy.read_text() == MESSY
    assert charter("format", "--diff", "--check", folder).code == 1


def test_standard_input_is_laid_out_on_standard_output(
    charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, MESSY.encode())
    ran = charter("format", "-")
    assert (ran.code, ran.out, ran.err) == (0, NEAT, "")


def test_standard_input_with_a_mistake_gives_no_text(
    charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, WRONG.encode())
    ran = charter("format", "-")
    assert (ran.code, ran.out) == (3, "")
    assert "standard input:" in ran.err


def test_a_file_with_a_mistake_is_left_alone_and_others_are_not(
    charter: Charter, folder: Path
) -> None:
    wrong = folder / "wrong.charter"
    wrong.write_text(WRONG)
    ran = charter("format", folder)
    assert ran.code == 3
    assert "error[CH01" in ran.err
    assert wrong.read_text() == WRONG
    assert (folder / "below" / "messy.charter").read_text() == NEAT


def test_the_mode_of_a_file_stays_and_a_link_still_leads_to_it(
    charter: Charter, folder: Path
) -> None:
    messy = folder / "below" / "messy.charter"
    messy.chmod(0o640)
    link = folder / "link.charter"
    link.symlink_to(messy)
    assert charter("format", link).code == 0
    assert link.is_symlink()
    assert messy.read_text() == NEAT
    assert stat.S_IMODE(messy.stat().st_mode) == 0o640


def test_a_file_named_twice_is_laid_out_once(charter: Charter, folder: Path) -> None:
    messy = folder / "below" / "messy.charter"
    assert charter("format", messy, folder, messy).out == "OK: 2 files, 1 laid out anew\n"


def test_what_is_begun_with_new_is_laid_out(charter: Charter, tmp_path: Path) -> None:
    assert charter("new", "own.residency", "-o", tmp_path).code == 0
    assert charter("format", "--check", tmp_path).code == 0


def test_json_tells_what_changed(charter: Charter, folder: Path) -> None:
    (folder / "wrong.charter").write_text(WRONG)
    ran = charter("format", "--check", "--format", "json", folder)
    told = json.loads(ran.out)
    assert ran.code == 3
    assert told["changed"] == [str(folder / "below" / "messy.charter")]
    assert told["ok"] is False
    assert len(told["diagnostics"]) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.charter"], "cannot read it"),
        (["-", "."], "standard input goes alone"),
        (["empty"], "no file that ends in .charter"),
        (["latin.charter"], "not UTF-8"),
        (["--format", "json", "-"], "no JSON"),
        (["--format", "json", "--diff", "neat.charter"], "no JSON"),
        ([], "required: PATH"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    charter: Charter,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    (folder / "empty").mkdir()
    (folder / "latin.charter").write_bytes("charter a.b # \xe9".encode("latin-1"))
    monkeypatch.chdir(folder)
    ran = charter("format", *arguments)
    assert ran.code == 1
    assert told in ran.line


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    charter: Charter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = charter("format", folder)
    assert "cannot write it: No space left on device" in ran.line
    assert (folder / "below" / "messy.charter").read_text() == MESSY
    assert [file.name for file in (folder / "below").iterdir()] == ["messy.charter"]
