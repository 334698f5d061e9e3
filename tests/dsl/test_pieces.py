"""Reading piece by piece comes to what reading at once comes to, whatever the text and
whatever was read before."""

import gc
import random
import re
import threading
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark

from dsl import read_pieces
from dsl.compile import compile_charters
from dsl.parse import MAX_REMEMBERED_CHARACTERS, forget, parse, parse_whole
from dsl.pieces import cut
from dsl.read_pieces import PieceReader
from dsl.read_text import read_piece
from dsl.source import SourceText
from dsl.tree import Rule
from dsl.tree_reader import Branch
from dsl.uncollected import uncollected
from dsl.words import DECLARATIONS
from tests.dsl import generate, mistake_files
from tests.dsl.generate_spelling import Speller

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
HEAD = 'charter a.b\n  title "T"\n  law ACT "The act"\nimport base\n'
RULE = 'rule {name} "R"\n  cites ACT art 1\n  on place\n  permit\n'
FILE = HEAD + "".join(RULE.format(name=f"r{number}") for number in range(20))


@cache
def corpus() -> tuple[str, ...]:
    """Every charter at hand, right and wrong, and some that nobody wrote."""
    paths = [*ROOT.glob("policies/**/*.charter"), *HERE.glob("**/*.charter")]
    texts = {path.read_bytes().decode("utf-8", "replace"): None for path in sorted(paths)}
    for number in range(20):
        chance = random.Random(number)  # noqa: S311 - which charters are drawn
        spelt = Speller(random.Random(number))  # noqa: S311 - how they are spelt
        texts.update({source.text: None for source in generate.sources_of(chance, spelt)})
    return tuple(texts)


def same(text: str) -> None:
    """Whatever the text, and whatever was read of that name before."""
    source = SourceText("a.charter", text)
    assert parse(source) == parse_whole(source)


def test_every_charter_is_read_the_same_in_pieces() -> None:
    forget()
    assert len(corpus()) > 500
    for text in corpus():
        same(text)


def test_most_charters_without_a_mistake_are_read_in_pieces() -> None:
    forget()
    texts = [text for text in corpus() if parse_whole(SourceText("a", text)).charter]
    whole = [text for text in texts if PieceReader(10**9).read(SourceText("a", text), text) is None]
    assert len(texts) > 200
    # A byte order mark, which `parse` takes away, and values at the beginning of a line.
    assert len(whole) <= 3


# --- edits ------------------------------------------------------------------------------

LINES = (
    "", "rule", "  zone", "time", "time\nzone X \"Y\" member a", "levels", "  profile, levels",
    '  because "unclosed', "# rule", '"', "(", "not not not", "\trule r \"R\"", "\tpermit",
    'rule r "R" # permit', "x\r", '  rule.x', "assume a.b = c", "  when a.b in {x,", "levels}",
    "charter c.d", "import c", "\ufeff", "rule\u00a0x", 'example "x" is denied', "  on place,",
    "level", "  level warn", 'zone Z "Z" as A', "2 levels", "30", "days", "\x00", "action",
    'action a "A" action b "B"', "as of 2026-02-30", "  in force from 2026-02-30",
)  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> list[str]:
    """A charter and what becomes of it, edit by edit."""
    text = draw(st.sampled_from(corpus()))
    versions = [text]
    for _ in range(draw(st.integers(1, 4))):
        lines = versions[-1].split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        other = draw(st.integers(0, len(lines) - 1))
        match draw(
            st.sampled_from(("insert", "delete", "replace", "move", "copy", "join", "ends", "back"))
        ):
            case "insert":
                lines.insert(at, draw(st.sampled_from(LINES)))
            case "delete":
                del lines[at : at + draw(st.integers(1, 6))]
            case "replace":
                lines[at] = draw(st.sampled_from(LINES))
            case "move":
                lines.insert(other, lines.pop(at))
            case "copy":
                lines[other:other] = lines[at : at + 12]
            case "join":
                lines[at : at + 3] = [" ".join(lines[at : at + 3])]
            case "ends":
                lines = [line.rstrip("\r") + "\r" for line in lines]
            case _:
                lines = text.split("\n")
        versions.append("\n".join(lines))
    return versions


@settings(max_examples=150, deadline=None)
@given(versions=edits())
def test_every_version_of_a_charter_is_read_as_if_it_were_the_first(versions: list[str]) -> None:
    for text in versions:
        same(text)


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.sampled_from(LINES), max_size=12))
def test_what_nobody_would_write_is_read_the_same(lines: list[str]) -> None:
    same("\n".join(["charter a.b", *lines]))
    same("\n".join(lines))


def test_a_break_between_any_two_words_changes_nothing() -> None:
    """Where a word begins a line it may be taken for a declaration."""
    text = (HERE / "fixtures" / "everything.charter").read_text(encoding="utf-8")
    for found in list(re.finditer(" +", text))[::4]:
        same(text[: found.start()] + "\n" + text[found.end() :])


def test_declarations_on_one_line_are_read_the_same() -> None:
    for text in corpus():
        without = re.sub(r"(?m)[ \t]*#[^\n]*$", "", text)
        same(without.replace("\n", " "))


# --- where a text may be cut ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'charter a\n  time\n  zone Europe/Brussels\nrule r "R"\n',
        'charter a\nentity e "E" field x\n time\nzone EU "EU" member a\n',
        'charter a\nentity e "E" field x\n time\r\n\t\n zone EU "EU" member a\n',
    ],
)
def test_a_phrase_of_two_lines_is_not_cut(text: str) -> None:
    assert not any(piece.text.startswith("zone") for piece in cut(text))
    same(text)


@pytest.mark.parametrize(
    "line", ["# rule", "rule.x", "rule-x", "rules", "rule_x", "Rule", "x rule", '"rule"']
)
def test_only_a_declaration_begins_a_piece(line: str) -> None:
    assert len(cut(f"charter a\n{line}\n")) == 1


def test_the_pieces_put_together_are_the_text() -> None:
    for text in corpus():
        pieces = cut(text)
        assert "".join(piece.text for piece in pieces) == text
        assert all(text.startswith(piece.text, piece.start) for piece in pieces)


GRAMMAR = (files("dsl") / "grammar.lark").read_text(encoding="utf-8")


def test_no_other_token_goes_on_with_a_declaration_after_white_space() -> None:
    """`dsl.pieces` rests on it."""
    lark = Lark(GRAMMAR, parser="lalr", lexer="basic", start=["start", "piece"], strict=True)
    spaced = {t.name: t.pattern.value for t in lark.terminals if "\n]" in t.pattern.value}
    assert "QUANTITY" in spaced
    assert "TIME_ZONE" in spaced
    words = {
        (name, word)
        for name, pattern in spaced.items()
        for word in re.findall("[a-z]+", pattern.partition("\n]")[2])
        if word in DECLARATIONS
    }
    assert words == {("TIME_ZONE", "zone")}


def test_no_string_and_no_remark_is_longer_than_a_line() -> None:
    lark = Lark(GRAMMAR, parser="lalr", lexer="basic", start=["start", "piece"])
    patterns = {t.name: t.pattern.value for t in lark.terminals}
    for name, begun in (("STRING", '"a\nrule"'), ("COMMENT", "# a\nrule")):
        found = re.match(patterns[name], begun)
        assert found is None or "\n" not in found[0]


# --- what is read, and what is remembered ----------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the pieces that were read."""
    read: list[str] = []

    def reading(text: str) -> Branch:
        read.append(text)
        return read_piece(text)

    monkeypatch.setattr(read_pieces, "read_piece", reading)
    forget()
    return read


def nothing(text: str) -> str:
    return text + "# end"


def first(text: str) -> str:
    return text.replace("art 1", "art 1234", 1)


def head(text: str) -> str:
    return text.replace('title "T"', 'title "Another title"')


def both_ends(text: str) -> str:
    return first(text)[:-7] + "forbid\n"


@pytest.mark.parametrize(("edit", "pieces"), [(nothing, 1), (first, 1), (head, 0), (both_ends, 2)])
def test_only_what_was_edited_is_read_again(
    counted: list[str], edit: Callable[[str], str], pieces: int
) -> None:
    same(FILE)
    assert len(counted) == 20
    counted.clear()
    same(edit(FILE))
    assert len(counted) == pieces


def test_a_mistake_does_not_forget_the_other_pieces(counted: list[str]) -> None:
    same(FILE)
    counted.clear()
    same(FILE.replace("permit", "permt", 1))
    same(FILE.replace("permit", "forbid", 1))
    assert len(counted) == 2


def test_what_is_remembered_keeps_no_older_text(counted: list[str]) -> None:
    reader = PieceReader(10**6)
    texts = [FILE.replace("art 1\n", f"art {n}\n", 1) + "bad" * (n % 2) for n in range(6)]
    for text in texts:
        reader.read(SourceText("a.charter", text), text)
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, SourceText) and one.text in texts]
    assert [texts.index(one.text) for one in kept] == [5]


def test_what_is_remembered_of_pieces_is_bounded(counted: list[str]) -> None:
    reader = PieceReader(2 * len(FILE))
    for name in ("a", "b", "c", "b", "c", "a"):
        reader.read(SourceText(name, FILE), FILE)
    # Of `a` when it was read first and when it had been forgotten.
    assert len(counted) == 4 * 20
    assert 10 * len(FILE) < MAX_REMEMBERED_CHARACTERS


def test_a_file_longer_than_all_that_is_remembered_is_read(counted: list[str]) -> None:
    reader = PieceReader(10)
    for _ in range(2):
        assert reader.read(SourceText("a", FILE), FILE) is not None
    assert len(counted) == 40


def test_two_equal_declarations_stand_in_two_places() -> None:
    text = HEAD + RULE.format(name="r") * 3
    charter = parse(SourceText("a.charter", text)).charter
    assert charter is not None
    rules = [rule for rule in charter.declarations if isinstance(rule, Rule)]
    assert len({rule.name.span.start for rule in rules}) == 3
    same(text)


def test_a_file_of_another_path_is_told_of_by_its_own(counted: list[str]) -> None:
    for path in ("p", "q"):
        text = FILE + RULE.format(name="r0")
        compiled = compile_charters([mistake_files.BASE, SourceText("a.charter", text, path)])
        assert {d.span.source.shown for d in compiled.diagnostics} == {path}


def test_threads_read_what_they_were_given() -> None:
    forget()
    wrong: list[str] = []

    def work(seed: int) -> None:
        for number in range(15):
            text = FILE.replace("art 1\n", f"art {seed}{number}\n", 1 + number % 3)
            source = SourceText("a.charter", text)
            if parse(source) != parse_whole(source):
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- the collector ------------------------------------------------------------------------------


def test_the_collector_rests_until_the_last_is_done() -> None:
    assert gc.isenabled()
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_works_again_after_a_failure() -> None:
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()
    compile_charters([SourceText("a", "charter")])
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
