"""`charter check`: what is wrong, where, and what to do."""

import json
from pathlib import Path

import pytest

from gateway.bundle import PACK
from tests.gateway.cli.commands import Charter, finish, start
from tests.gateway.world import LAW, VOCABULARY

MISSPELT = LAW.replace("data.labels has personal", "data.lables has personal")
OWN = """\
charter own.law
  title "A rule of our own"
  law HOUSE "House rules"
  time zone Europe/Brussels
  as of 2026-11-22
import vocabulary.places
import vocabulary.workload

rule no-health "Health data stays"
  cites HOUSE section 1
  on place
  when data.labels has health
  require destination.countries within EU
  because "We promised."
  remedy "Choose a site in the Union."
  example "Virginia" is denied
    data.labels = {health}
    destination = aws/us-east-1
  example "Paris" is permitted
    data.labels = {health}
    destination = scaleway/fr-par
"""


def test_a_sound_folder_is_one_line(charter: Charter, project: Path) -> None:
    ran = charter("check", project)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "OK: 3 files, 5 rules, 10 examples\n"


def test_without_a_folder_the_installed_pack_is_checked(charter: Charter) -> None:
    ran = charter("check")
    assert ran.code == 0
    assert ran.out.startswith("OK: ")


@pytest.mark.parametrize("style", ["human", "plain", "json"])
def test_a_mistake_is_shown_with_its_place_and_ends_with_3(
    charter: Charter, project: Path, style: str
) -> None:
    (project / "law.charter").write_text(MISSPELT)
    ran = charter("check", project, "--format", style)
    assert ran.code == 3
    shown = ran.out if style == "json" else ran.err
    assert (ran.err if style == "json" else ran.out) == ""
    assert "labels" in shown
    if style == "json":
        told = json.loads(shown)
        assert told["ok"] is False
        label = told["diagnostics"][0]["labels"][0]
        assert (label["file"], label["line"]) == (str(project / "law.charter"), 12)
    else:
        assert "law.charter:12:8" in shown
        assert "1 error in 1 file" in shown


def test_json_of_a_sound_folder(charter: Charter, project: Path) -> None:
    ran = charter("check", project, "--format", "json")
    assert json.loads(ran.out) == {"ok": True, "diagnostics": []}


def test_a_file_of_ones_own_finds_the_vocabulary_of_the_pack(
    charter: Charter, tmp_path: Path
) -> None:
    (tmp_path / "own.charter").write_text(OWN)
    for asked in (tmp_path / "own.charter", tmp_path):
        ran = charter("check", asked)
        assert ran.out == (
            "OK: 1 file (with 2 charters of the installed pack), 1 rule, 2 examples\n"
        )


def test_a_file_of_the_pack_is_checked_with_what_it_imports(charter: Charter) -> None:
    ran = charter("check", PACK / "operator" / "baseline.charter")
    assert ran.code == 0
    assert "with 1 charter of the installed pack" in ran.out


def test_a_vocabulary_of_ones_own_hides_the_one_of_the_pack(
    charter: Charter, tmp_path: Path
) -> None:
    (tmp_path / "own.charter").write_text(OWN)
    (tmp_path / "words.charter").write_text(
        VOCABULARY.replace("charter test.words", "charter vocabulary.places")
    )
    ran = charter("check", tmp_path)
    # Not that of the pack, which would declare everything twice.
    assert ran.code == 3
    assert "aws/us-east-1" not in ran.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("import vocabulary.plaecs", "vocabulary.plaecs"),
        ("import nobody.knows", "nobody.knows"),
    ],
)
def test_an_import_that_nobody_has_is_named(
    charter: Charter, tmp_path: Path, change: str, words: str
) -> None:
    (tmp_path / "own.charter").write_text(OWN.replace("import vocabulary.places", change))
    ran = charter("check", tmp_path)
    assert ran.code == 3
    assert words in ran.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.charter", None, "No such file"),
        ("folder", "folder", "no file that ends in .charter"),
        ("latin.charter", b'charter x\n  title "\xe9"', "not UTF-8"),
        ("binary.charter", b"\x00\xff" * 100, "not UTF-8"),
        ("own.cases.toml", b"", "name the charter, "),
    ],
)
def test_what_cannot_be_read_is_one_line(
    charter: Charter, tmp_path: Path, name: str, content: bytes | str | None, words: str
) -> None:
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    ran = charter("check", path)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line
    assert str(path) in ran.line


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("latin-1", "`ë` on line 3 (`patiënt`) is written as in Latin-1 (Windows-1252)"),
        ("cp1252", "`\u2019` on line 3 is written as in Latin-1 (Windows-1252)"),
        ("utf-16", "UTF-16, which some editors call Unicode"),
    ],
)
def test_another_encoding_is_named_with_what_to_do(
    charter: Charter, tmp_path: Path, encoding: str, words: str
) -> None:
    text = {"latin-1": "patiënt", "cp1252": "the patient\u2019s"}.get(encoding, "x")
    path = tmp_path / "own.charter"
    path.write_bytes(f'charter own.x\n  title\n "{text}"\n'.encode(encoding))
    ran = charter("check", path)
    assert ran.code == 1
    assert words in ran.line
    assert "save the file again as plain text, with the encoding UTF-8" in ran.line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\xff", "a document of a word processor"),
        (b"%PDF-1.7 \xe2", "a document of a word processor"),
        (b"charter \x81", "line 1 holds the byte 0x81"),
        (b"charter \xe9\x00", "it holds bytes that no text has"),
    ],
)
def test_what_is_no_text_is_told_from_a_wrong_encoding(
    charter: Charter, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "own.charter"
    path.write_bytes(content)
    assert words in charter("check", path).line


def test_several_files_and_folders_are_one_set_of_charters(
    charter: Charter, project: Path, tmp_path: Path
) -> None:
    own = tmp_path / "elsewhere" / "own.charter"
    own.parent.mkdir()
    own.write_text(OWN.replace("own.law", "own.other"))
    ran = charter("check", project / "words.charter", project / "law.charter", own)
    assert ran.code == 3  # two vocabularies that declare the same
    assert "declared twice" in ran.err
    assert charter("check", project / "words.charter", project / "law.charter").out == (
        "OK: 2 files, 3 rules, 6 examples\n"
    )


def test_what_is_named_twice_is_read_once(charter: Charter, project: Path) -> None:
    ran = charter("check", project, project / "law.charter", project)
    assert ran.out == "OK: 3 files, 5 rules, 10 examples\n"


def test_an_import_is_found_among_all_that_is_named(charter: Charter, project: Path) -> None:
    assert "test.words" in charter("check", project / "law.charter").err
    assert charter("check", project / "law.charter", project / "words.charter").code == 0


def test_what_has_no_end_is_not_read(charter: Charter) -> None:
    ran = charter("check", "/dev/zero")
    assert ran.code == 1
    assert "this is no file" in ran.line


@pytest.mark.parametrize(
    "text",
    ["", "charter", "rule", "\0", "charter X", '"' * 10_000, "(" * 5_000, "é" * 100, "import x\n"],
)
def test_no_text_is_too_strange(charter: Charter, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.charter"
    path.write_text(text)
    ran = charter("check", path)
    assert ran.code == 3
    assert "x.charter:" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--nonsense"),
        ("check", "--format", "xml"),
        ("verify", "a", "b"),
        ("check", "--format", "pdf"),
        ("test", "--fail-under", "101"),
        ("test", "--fail-under", "ninety"),
        ("chekc",),
        ("--format", "json"),
        ("check", "--form", "json"),  # no abbreviations: they change as options are added
    ],
)
def test_a_mistake_on_the_command_line_is_1_for_2_would_be_a_denial(
    charter: Charter, arguments: tuple[str, ...]
) -> None:
    ran = charter(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert "--help" in ran.line


def test_charter_alone_prints_help(charter: Charter) -> None:
    ran = charter()
    assert (ran.code, ran.err) == (0, "")
    for command in ("check", "compile", "test", "decide", "serve", "verify"):
        assert f"    {command}" in ran.out


def test_a_reader_that_goes_away_is_no_fault() -> None:
    process = start("check", "--format", "json")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    ran = finish(process)
    assert ran.err == ""


def test_a_terminal_that_knows_ascii_alone_is_no_fault(project: Path) -> None:
    (project / "law.charter").write_text(MISSPELT.replace("stays in the area", "bleibt — hier"))
    ran = finish(start("check", project, "--format", "json", PYTHONIOENCODING="ascii"))
    ran.check_clean()
    assert ran.code == 3
