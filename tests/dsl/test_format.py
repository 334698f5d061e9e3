"""The one layout: what it makes of everything, and what it never touches.

`REWRITE=1 pytest tests/dsl/test_format.py` writes the expected layout anew; it is then
read, as an officer would, before it is committed.
"""

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl import format as layout
from dsl.compile import Compiled, compile_charters
from dsl.core_json import program_digest
from dsl.format import FormatError, format_text
from dsl.format_read import read, tokens
from dsl.parse import MAX_SOURCE_CHARACTERS, parse
from dsl.source import SourceText
from tests.dsl import generate, mistake_files
from tests.project import ROOT

FIXTURES = Path(__file__).parent / "fixtures"
PACK = sorted((ROOT / "policies").rglob("*.charter"))


def laid_out(text: str) -> str:
    """The layout of a text, which has to be its own layout."""
    result = format_text(SourceText("a.charter", text))
    assert result.text is not None, result.diagnostics
    again = format_text(SourceText("a.charter", result.text))
    assert again.text == result.text
    return result.text


def comments(text: str) -> list[str]:
    return [found.rstrip() for found in re.findall(r'"[^"\n]*"|(#[^\n]*)', text) if found.rstrip()]


def test_everything_is_laid_out_as_expected() -> None:
    text = (FIXTURES / "everything.charter").read_text(encoding="utf-8")
    expected = FIXTURES / "everything.formatted"
    result = laid_out(text)
    if os.environ.get("REWRITE"):
        expected.write_text(result, encoding="utf-8")
    assert result == expected.read_text(encoding="utf-8")


def test_everything_keeps_its_comments_in_order() -> None:
    text = (FIXTURES / "everything.charter").read_text(encoding="utf-8")
    assert comments(laid_out(text)) == comments(text)
    assert len(comments(text)) > 20


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_the_pack_is_laid_out(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert laid_out(text) == text


# --- comments ------------------------------------------------------------------------

HEAD = "charter a.b\n\n"
COMMENTS = {
    "above a clause": (
        'rule x "y" cites A art 1\n# why\nforbid',
        'rule x "y"\n  cites     A art 1\n  # why\n  forbid\n',
    ),
    "beside a clause": (
        'rule x "y" cites A art 1    # why\nforbid',
        'rule x "y"\n  cites     A art 1  # why\n  forbid\n',
    ),
    "beside a value in the middle of a list": (
        'enumeration x "y" of a, # first\nb, c',
        'enumeration x "y" of\n  a,  # first\n  b, c\n',
    ),
    "above a value in the middle of a list": (
        'enumeration x "y" of a,\n# second\nb, c',
        'enumeration x "y" of\n  a,\n  # second\n  b, c\n',
    ),
    "beside a keyword whose clause goes on": (
        'rule x "y" when # why\na.b',
        'rule x "y"\n  when  # why\n            a.b\n',
    ),
    "above an operand": (
        'rule x "y" when a.b\n# or else\nand c.d',
        'rule x "y"\n  when      a.b\n            # or else\n            and c.d\n',
    ),
    "inside of brackets": (
        'rule x "y" when (a.b # left\n or c.d) # right',
        'rule x "y"\n  when      (a.b      # left\n             or c.d)  # right\n',
    ),
    "inside of a set": (
        'rule x "y" when a.b in {c, # not d\ne}',
        'rule x "y"\n  when      a.b in {c,  # not d\n                    e}\n',
    ),
    "between the words of a field": (
        'entity x "y" field a # why\n identifier field b identifier "t"',
        'entity x "y"\n  field a  # why\n    identifier\n  field b  identifier  "t"\n',
    ),
    "below the last clause, indented": (
        'rule x "y" forbid\n  # end of x\nrule z "y" forbid',
        'rule x "y"\n  forbid\n  # end of x\n\nrule z "y"\n  forbid\n',
    ),
    "above the next declaration": (
        'rule x "y" forbid\n# on z\nrule z "y" forbid',
        'rule x "y"\n  forbid\n\n# on z\nrule z "y"\n  forbid\n',
    ),
    "apart from what follows": (
        'rule x "y" forbid\n\n# part two\n\n\n# on z\nrule z "y" forbid',
        'rule x "y"\n  forbid\n\n# part two\n\n# on z\nrule z "y"\n  forbid\n',
    ),
    "at the end of the file": (
        'rule x "y" forbid\n# the end',
        'rule x "y"\n  forbid\n# the end\n',
    ),
    "a quote and a keyword in a comment": (
        'rule x "y" # "rule z\nforbid',
        'rule x "y"  # "rule z\n  forbid\n',
    ),
    "a sign of comments in a text": (
        'rule x "y # no comment" forbid',
        'rule x "y # no comment"\n  forbid\n',
    ),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_a_comment_stays_with_what_it_explains(name: str) -> None:
    before, after = COMMENTS[name]
    assert laid_out(HEAD + before) == HEAD + after


def test_a_comment_above_everything_stays_there() -> None:
    text = "# a licence\n\n# and a name\ncharter a.b\n"
    assert laid_out(text) == text


# --- white space ---------------------------------------------------------------------


def test_carriage_returns_and_byte_order_marks_go() -> None:
    text = '\ufeffcharter a.b\r\n\r\n# why\r\nrule x "y"\r\n  forbid # so\r\n'
    assert laid_out(text) == HEAD + '# why\nrule x "y"\n  forbid  # so\n'


def test_white_space_inside_of_texts_stays() -> None:
    text = HEAD + 'rule x "two  spaces\tand a tab"\n  forbid\n'
    assert laid_out(text) == text


def test_a_text_is_never_broken_or_joined() -> None:
    long = "word " * 60
    text = HEAD + f'rule x "y" because "{long}" "{long}" remedy "{long}"'
    expected = f'  because   "{long}"\n            "{long}"\n  remedy    "{long}"\n'
    assert laid_out(text) == HEAD + 'rule x "y"\n' + expected


def test_groups_that_fit_on_one_line_are_joined_and_others_stay() -> None:
    short = 'enumeration x "y" of a,\n\n  b,\n  c\n'
    assert laid_out(HEAD + short) == HEAD + 'enumeration x "y" of a, b, c\n'
    first, second = (", ".join(f"{letter}{n}" for n in range(18)) for letter in "ab")
    long = f'enumeration x "y" of\n  {first},\n  {second}\n'
    assert laid_out(HEAD + long) == HEAD + long


# --- what cannot be laid out ---------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rule",
        'charter a.b\nrule x "y" when (a.b',
        'charter a.b\nrule x "y" in force from 2026-02-31',
        'charter a.b\nrule x "y" title "z"',
        "charter a.b # \u202e",
        'charter a.b\nrule x "y" when ' + "(" * 65 + "a.b" + ")" * 65,
        'charter a.b\nrule x "y" when ' + "not " * 65 + "a.b",
        "charter a.b\n" + "#" * MAX_SOURCE_CHARACTERS,
    ],
    ids=[
        "nothing", "half a rule", "open bracket", "impossible day", "misplaced clause",
        "text direction", "too many brackets", "too many nots", "too long",
    ],
)  # fmt: skip
def test_a_file_with_mistakes_is_left_alone_and_they_are_told(text: str) -> None:
    result = format_text(SourceText("a.charter", text))
    assert result.text is None
    assert result.diagnostics


def test_a_layout_that_would_be_too_long_to_read_is_refused() -> None:
    # Each bracket moves what is in it to the right: a short text, and a long layout.
    deep = "(a.b or (c.d and " * 30 + "a.b" + "))" * 30
    alone = f'{HEAD}rule x "y" when {deep}\n'
    times = MAX_SOURCE_CHARACTERS // (len(laid_out(alone)) - len(HEAD)) + 2
    text = HEAD + f'rule x "y" when {deep}\n' * times
    assert len(text) < MAX_SOURCE_CHARACTERS // 5
    with pytest.raises(FormatError, match="too long"):
        format_text(SourceText("a.charter", text))


@pytest.mark.parametrize("lost", ["# why", " x", "permit"])
def test_a_layout_that_loses_something_is_refused(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'charter a.b\n\n# why\nrule x "x"\n  permit\n  forbid\n'
    assert laid_out(text) == text
    changed = text.replace(lost, " z" if lost == " x" else "", 1)

    def careless(_: object) -> str:
        return changed

    monkeypatch.setattr(layout, "_text", careless)
    with pytest.raises(FormatError, match="not be the same charter"):
        format_text(SourceText("a.charter", text))


DEEP = {
    "brackets": "(" * 60 + "a.b and c.d" + ")" * 60,
    "nested conditions": "(a.b or (c.d and " * 30 + "a.b" + "))" * 30,
    "nots": "not " * 60 + "a.b",
    "a long set": "a.b in {" + ", ".join(f"v{n}" for n in range(4_000)) + "}",
    "many operands": " and ".join(["a.b"] * 4_000),
}


@pytest.mark.parametrize("name", DEEP)
def test_hostile_conditions_take_bounded_time(name: str) -> None:
    began = time.monotonic()
    laid_out(f'{HEAD}rule x "y" when {DEEP[name]}')
    assert time.monotonic() - began < 30


# --- meaning -------------------------------------------------------------------------


def readable() -> list[str]:
    """The mistakes that are not mistakes of syntax."""
    files = {name: mistake_files.sources(name) for name in mistake_files.names()}
    return [name for name in files if all(parse(file).charter for file in files[name])]


def told(compiled: Compiled) -> list[tuple[str, str]]:
    return [(diagnostic.code, diagnostic.message) for diagnostic in compiled.diagnostics]


@pytest.mark.parametrize("name", readable())
def test_mistakes_of_meaning_are_the_same_in_the_layout(name: str) -> None:
    files = mistake_files.sources(name)
    after = [SourceText(file.name, laid_out(file.text)) for file in files]
    assert sorted(told(compile_charters(after))) == sorted(told(compile_charters(files)))


def same_meaning(before: list[SourceText], after: list[SourceText]) -> None:
    one, two = compile_charters(before), compile_charters(after)
    assert told(two) == told(one)
    assert two.program == one.program
    if one.program is not None and two.program is not None:
        assert program_digest(two.program) == program_digest(one.program)


def test_the_layout_of_the_pack_never_changes_its_program() -> None:
    # Each file on one line, then laid out.
    files = [SourceText(path.name, path.read_text(encoding="utf-8")) for path in PACK]
    lines = [" ".join(str(token) for token in tokens(read(file.text).root)) for file in files]
    after = [SourceText(file.name, laid_out(line)) for file, line in zip(files, lines, strict=True)]
    same_meaning(files, after)
    assert compile_charters(files).program is not None


CAUTIONS = sorted((Path(__file__).parent / "cautions").glob("*.charter"))
SPACE = st.sampled_from([" ", "\n", "\t", "\r\n", "  \n\n\n", " # it's so\n", "\n# a\n  # b\n\n"])


@st.composite
def disordered(draw: st.DrawFn) -> tuple[list[SourceText], list[SourceText]]:
    """Charters, and the same with other white space and with comments between any tokens."""
    files = draw(generate.sources())
    mixed: list[SourceText] = []
    for file in files:
        spaces = draw(st.lists(SPACE, min_size=1, max_size=7))
        pieces: list[str] = []
        for number, token in enumerate(tokens(read(file.text).root)):
            pieces += [str(token), spaces[number % len(spaces)]]
        mixed.append(SourceText(file.name, "".join(pieces)))
    return files, mixed


@settings(max_examples=25)
@given(disordered())
def test_the_layout_never_changes_meaning_or_comments(
    pair: tuple[list[SourceText], list[SourceText]],
) -> None:
    files, mixed = pair
    after: list[SourceText] = []
    for file in mixed:
        text = laid_out(file.text)
        assert comments(text) == comments(file.text)
        after.append(SourceText(file.name, text))
    same_meaning(files, after)


@pytest.mark.parametrize("path", CAUTIONS, ids=lambda path: path.stem)
def test_a_warning_repeats_an_authors_words_without_the_comments_between_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    noted = " # it's so\n".join(str(token) for token in tokens(read(text).root))
    plain, other = (
        compile_charters([mistake_files.BASE, SourceText(path.name, one)]).diagnostics
        for one in (text, noted)
    )
    assert plain
    assert [(one.code, one.message) for one in other] == [(one.code, one.message) for one in plain]


@settings(max_examples=25)
@given(disordered())
def test_white_space_alone_makes_no_other_layout(
    pair: tuple[list[SourceText], list[SourceText]],
) -> None:
    # But for the groups an author made of short declarations, members and items, which
    # generated charters do not have more of after their empty lines are gone.
    files, _ = pair
    for file in files:
        tight = re.sub(r"[ \t]+", " ", file.text)
        assert laid_out(tight) == laid_out(file.text)
