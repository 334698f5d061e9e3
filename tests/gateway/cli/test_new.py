"""`charter new`: what it writes passes check and test as it is, and overwrites nothing."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gateway.cli.commands import Charter

COUNTED = "OK: 1 file (with 2 charters of the installed pack), "


def sound(charter: Charter, folder: Path, *, rules: int) -> None:
    """Check and test say OK and warn of nothing; the examples show every side; it is laid
    out as `charter format` would."""
    assert charter("format", "--check", folder).code == 0
    checked = charter("check", folder)
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.startswith(COUNTED + f"{rules} rule")
    tested = charter("test", folder, "--fail-under", "100")
    assert (tested.code, tested.err) == (0, "")
    assert "0 failures" in tested.out


def test_a_new_charter_is_sound_as_it_is(charter: Charter, tmp_path: Path) -> None:
    ran = charter("new", "own.residency", "-o", tmp_path)
    path = tmp_path / "own.residency.charter"
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"OK: {path}; fill it in, then: charter check {path}\n"
    sound(charter, tmp_path, rules=1)
    sound(charter, path, rules=1)
    text = path.read_text(encoding="utf-8")
    assert 'law        HOUSE "House rules of this organisation"' in text
    assert "time zone  Europe/Brussels" in text
    assert text.count("is denied") == 1
    assert text.count("is undetermined") == 2


def test_the_head_is_what_was_asked_for(charter: Charter, tmp_path: Path) -> None:
    before = datetime.now(UTC).date()
    ran = charter(
        "new", "own.transfers", "-o", tmp_path / "deep" / "folder",
        "--title", "Transfers — für uns", "--law", "GDPR", "--celex", "32016R0679",
        "--law-title", "Regulation (EU) 2016/679", "--time-zone", "UTC",
    )  # fmt: skip
    assert ran.code == 0
    text = (tmp_path / "deep" / "folder" / "own.transfers.charter").read_text(encoding="utf-8")
    assert "charter own.transfers\n" in text
    assert 'title      "Transfers — für uns"' in text
    assert 'law        GDPR "Regulation (EU) 2016/679" celex 32016R0679' in text
    assert "cites     GDPR art 1" in text
    assert "time zone  UTC" in text
    assert any(
        f"as of      {day.isoformat()}" in text for day in (before, datetime.now(UTC).date())
    )
    sound(charter, tmp_path, rules=1)


def test_the_day_is_today_in_the_time_zone_of_the_charter(charter: Charter, tmp_path: Path) -> None:
    days: set[str] = set()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # 25 hours apart
        name = f"own.{zone[8].lower()}"
        assert charter("new", name, "-o", tmp_path, "--time-zone", zone).code == 0
        text = (tmp_path / f"{name}.charter").read_text(encoding="utf-8")
        days.add(text.partition("as of      ")[2][:10])
    assert len(days) == 2


def test_nothing_is_overwritten(charter: Charter, tmp_path: Path) -> None:
    path = tmp_path / "own.x.charter"
    path.write_text("mine")
    ran = charter("new", "own.x", "-o", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "exists already; add a rule to it with --rule RULE" in ran.line
    assert path.read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_written_through(charter: Charter, tmp_path: Path) -> None:
    (tmp_path / "own.x.charter").symlink_to(tmp_path / "elsewhere")
    assert charter("new", "own.x", "-o", tmp_path).code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_json_names_the_file(charter: Charter, tmp_path: Path) -> None:
    ran = charter("new", "own.x", "-o", tmp_path, "--format", "json")
    assert json.loads(ran.out) == {
        "file": str(tmp_path / "own.x.charter"),
        "charter": "own.x",
        "rule": None,
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("Own",), "is no name of a charter; write one such as own.residency"),
        (("own..x",), "is no name of a charter"),
        (("../own",), "is no name of a charter"),
        (("own/x",), "is no name of a charter"),
        (("own x",), "is no name of a charter"),
        (("",), "is no name of a charter"),
        (("x" * 101,), "is no name of a charter"),
        (("own.x", "--law", "gdpr"), "is no short name of a law"),
        (("own.x", "--celex", "2016/679"), "is no CELEX number"),
        (("own.x", "--time-zone", "Europe/Atlantis"), "is no time zone"),
        (("own.x", "--time-zone", "../../etc/passwd"), "is no time zone"),
        (("own.x", "--time-zone", ""), "is no time zone"),
        (("own.x", "--title", 'say "no"'), "--title: write up to 300 characters in one line"),
        (("own.x", "--title", "two\nlines"), "--title: write up to"),
        (("own.x", "--title", " "), "--title: write up to"),
        (("own.x", "--law-title", "x" * 301), "--law-title: write up to"),
        (("own.x", "--title", "\x1b[2J"), "--title: write up to"),
    ],
)
def test_what_makes_no_charter_is_one_line_and_no_file(
    charter: Charter, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = charter("new", *arguments, "-o", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["rule", "own.rule"])
def test_a_word_of_the_language_is_shown_as_any_mistake_and_not_written(
    charter: Charter, tmp_path: Path, name: str
) -> None:
    ran = charter("new", name, "-o", tmp_path)
    if ran.code == 0:  # dotted, a reserved word is a part of a name
        sound(charter, tmp_path, rules=1)
    else:
        assert ran.code == 3
        assert "nothing was written" in ran.err
        assert list(tmp_path.iterdir()) == []


# --- --rule --------------------------------------------------------------------------


def begun(charter: Charter, folder: Path) -> Path:
    assert charter("new", "own.x", "-o", folder).code == 0
    return folder / "own.x.charter"


def test_a_rule_is_added_at_the_end_and_all_is_sound(charter: Charter, tmp_path: Path) -> None:
    path = begun(charter, tmp_path)
    path.chmod(0o640)
    before = path.read_text(encoding="utf-8")
    ran = charter("new", "own.x", "-o", tmp_path, "--rule", "second", "--title", "The second")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"OK: the rule `second` at the end of {path}; fill it in\n"
    after = path.read_text(encoding="utf-8")
    assert after.startswith(before.rstrip())
    assert 'rule second "The second"' in after[len(before) :]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["own.x.charter"]
    sound(charter, tmp_path, rules=2)


def test_the_charter_is_found_whatever_its_file_is_called(charter: Charter, tmp_path: Path) -> None:
    path = begun(charter, tmp_path)
    path.rename(tmp_path / "renamed.charter")
    assert charter("new", "own.x", "-o", tmp_path, "--rule", "second").code == 0
    assert "rule second" in (tmp_path / "renamed.charter").read_text(encoding="utf-8")


def test_the_law_is_one_of_the_head(charter: Charter, tmp_path: Path) -> None:
    path = begun(charter, tmp_path)
    text = path.read_text(encoding="utf-8")
    second = '  law        GDPR "Regulation" celex 32016R0679\n  # Where days'
    path.write_text(text.replace("  # Where days", second), encoding="utf-8")
    assert charter("new", "own.x", "-o", tmp_path, "--rule", "a").code == 0
    assert charter("new", "own.x", "-o", tmp_path, "--rule", "b", "--law", "GDPR").code == 0
    written = path.read_text(encoding="utf-8")
    assert "HOUSE section 1" in written.partition("rule a")[2].partition("rule b")[0]
    assert "GDPR art 1" in written.partition("rule b")[2]
    ran = charter("new", "own.x", "-o", tmp_path, "--rule", "c", "--law", "NIS2")
    assert "names no law `NIS2`: HOUSE, GDPR" in ran.line


def test_a_link_stays_a_link(charter: Charter, tmp_path: Path) -> None:
    real = tmp_path / "real"
    path = begun(charter, real)
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "own.charter"
    link.symlink_to(path)
    assert charter("new", "own.x", "-o", tmp_path / "links", "--rule", "second").code == 0
    assert link.is_symlink()
    assert "rule second" in path.read_text(encoding="utf-8")


BROKEN: dict[str, tuple[Callable[[str], str], str, str]] = {
    "it is there already": (lambda text: text, "first-rule", "has a rule `first-rule` already"),
    "no import": (
        lambda text: text.replace("import vocabulary.workload\n", ""),
        "second",
        "write `import vocabulary.workload` below the head first",
    ),
    "no law": (
        lambda text: text.replace("  law        HOUSE", "  # law        HOUSE"),
        "second",
        "names no `law` that a rule could cite",
    ),
    "a mistake in its syntax": (
        lambda text: text.replace("rule first-rule", "rul first-rule"),
        "second",
        "has mistakes; mend them first",
    ),
    "another charter": (
        lambda text: text.replace("charter own.x\n", "charter own.y\n"),
        "second",
        "no file in ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_that_cannot_be_added_leaves_the_file_alone(
    charter: Charter, tmp_path: Path, case: str
) -> None:
    damage, rule, words = BROKEN[case]
    path = begun(charter, tmp_path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    before = path.read_bytes()
    ran = charter("new", "own.x", "-o", tmp_path, "--rule", rule)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_mistakes_of_the_charter_are_shown_and_nothing_is_written(
    charter: Charter, tmp_path: Path
) -> None:
    path = begun(charter, tmp_path)
    text = path.read_text(encoding="utf-8").replace("data.labels has health", "data.lables has x")
    path.write_text(text, encoding="utf-8")
    ran = charter("new", "own.x", "-o", tmp_path, "--rule", "second")
    assert ran.code == 3
    assert "data.lables" in ran.err
    assert ran.err.endswith(f"charter: nothing was written to {path}\n")
    assert path.read_text(encoding="utf-8") == text


def test_mistakes_of_other_files_do_not_matter(charter: Charter, tmp_path: Path) -> None:
    begun(charter, tmp_path)
    (tmp_path / "half.charter").write_text("charter own.half\nrule")
    assert charter("new", "own.x", "-o", tmp_path, "--rule", "second").code == 0


def test_two_files_that_hold_the_charter_are_named(charter: Charter, tmp_path: Path) -> None:
    path = begun(charter, tmp_path)
    (tmp_path / "copy.charter").write_bytes(path.read_bytes())
    line = charter("new", "own.x", "-o", tmp_path, "--rule", "second").line
    assert "copy.charter and " in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--rule", "Second"), "is no name of a rule"),
        (("--rule", "own.second"), "is no name of a rule"),
        (("--rule", "second", "--celex", "32016R0679"), "--celex is for a new charter"),
        (("--rule", "second", "--law-title", "x"), "--law-title is for a new charter"),
        (("--rule", "second", "--time-zone", "UTC"), "--time-zone is for a new charter"),
    ],
)
def test_what_makes_no_rule_is_one_line(
    charter: Charter, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    begun(charter, tmp_path)
    ran = charter("new", "own.x", "-o", tmp_path, *arguments)
    assert (ran.code, words in ran.line) == (1, True), ran.line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(charter: Charter, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot write it" in charter("new", "own.x", "-o", tmp_path).line
