"""The grammar itself: no conflict that Lark would settle in silence, and no word that the
messages do not know."""

import re
from importlib.resources import files

import pytest
from lark import Lark
from lark.exceptions import GrammarError, LarkError

from dsl.units import UNITS
from dsl.words import (
    DECLARATIONS,
    KEYWORDS,
    OWNERS,
    PHRASES,
    SOFT,
    TOKEN_NAMES,
    TWO_WORDS,
    WORDS,
)
from tests.dsl import generate

TEXT = (files("dsl") / "grammar.lark").read_text(encoding="utf-8")


def strict(text: str) -> Lark:
    return Lark(text, parser="lalr", lexer="basic", strict=True, propagate_positions=True)


GRAMMAR = strict(TEXT)
KEYWORD = re.compile(r"[a-z]+")
# Words with white space between them, and no other word right after.
PHRASE = re.compile(r"[a-z]+(\[[^\]]*\]\+[a-z]+)+\(\?!.*\)")
WRITTEN = {t.pattern.value for t in GRAMMAR.terminals if t.pattern.type == "str"}


def test_the_grammar_has_no_conflicts() -> None:
    assert strict(TEXT).terminals


@pytest.mark.parametrize(
    ("original", "damaged"),
    [
        # Either reading of `a and b or c` would do.
        (
            'conjunction: _unary ("and" _unary)+',
            'conjunction: _condition "and" _condition',
        ),
        ("NAME: /[a-z]", "NAMES: /[a-z]+/\nNAME: /[a-z]"),
        ('exception: "except" NAME STRING', 'exception: "except" NAME STRING _clause*'),
    ],
)
def test_a_conflict_would_be_seen(original: str, damaged: str) -> None:
    text = TEXT.replace(original, damaged)
    assert text != TEXT
    if "NAMES" in text:
        text = text.replace('action: "action" NAME', 'action: "action" (NAME | NAMES)')
    with pytest.raises((GrammarError, LarkError)):
        strict(text)


def test_every_keyword_of_the_grammar_is_known_to_the_messages() -> None:
    keywords = {word for word in WRITTEN if KEYWORD.fullmatch(word)}
    assert sorted(keywords) == sorted(KEYWORDS)


def test_keywords_are_listed_once() -> None:
    assert len(KEYWORDS) == len(set(KEYWORDS))


def test_every_phrase_of_the_grammar_is_known_to_the_messages() -> None:
    patterns = {t.name: t.pattern.value for t in GRAMMAR.terminals if t.pattern.type == "re"}
    phrases = {name: text for name, text in patterns.items() if PHRASE.fullmatch(text)}
    assert sorted(phrases) == sorted(PHRASES.values())
    for phrase, terminal in PHRASES.items():
        assert re.fullmatch(phrases[terminal], phrase)
        assert re.fullmatch(phrases[terminal], phrase.replace(" ", "\n\t"))
        assert not re.fullmatch(phrases[terminal], phrase.replace(" ", "\u00a0"))


def test_every_terminal_has_a_name_for_people() -> None:
    ignored = {"COMMENT", "WHITE_SPACE"}
    terminals = {t.name for t in GRAMMAR.terminals} - ignored
    keywords = {word.upper() for word in KEYWORDS}
    assert sorted(terminals - keywords - set(TOKEN_NAMES)) == []


def test_no_terminal_is_named_by_the_parser_generator() -> None:
    assert [t.name for t in GRAMMAR.terminals if t.name.startswith("__ANON")] == []


@pytest.mark.parametrize("word", [*WORDS.values(), *TWO_WORDS.values()])
def test_what_the_messages_offer_is_in_the_language(word: str) -> None:
    assert word in KEYWORDS or word in PHRASES or word == "="


@pytest.mark.parametrize("word", sorted(WORDS))
def test_what_people_write_instead_is_not_in_the_language(word: str) -> None:
    # Four are, in another place: `is` for `=`, `in` for the `within` of a duty, `where` for
    # `when`, and `to` for `until`.
    assert word in ("is", "in", "where", "to") or word not in KEYWORDS


@pytest.mark.parametrize("word", sorted(OWNERS))
def test_every_clause_with_an_owner_is_in_the_language(word: str) -> None:
    assert word in KEYWORDS or word in PHRASES


def test_a_quantity_has_a_unit_of_the_list_and_no_other() -> None:
    (quantity,) = [t.pattern.value for t in GRAMMAR.terminals if t.name == "QUANTITY"]
    words = set(re.findall(r"[a-z?-]{3,}", quantity.partition("%")[2].rpartition("(?!")[0]))
    written = {word.replace("?", "") for word in words} | {word.replace("s?", "") for word in words}
    assert written | {"%"} == set(UNITS)
    for word in UNITS:
        assert re.fullmatch(quantity, f"24.5 {word}")
        assert not re.fullmatch(quantity, f"24.5 {word}x")


def test_words_that_may_name_a_value_are_in_the_language() -> None:
    (rule,) = re.findall(r"^!_soft: (.*\n.*)$", TEXT, re.MULTILINE)
    assert {word.lower() for word in re.findall("[A-Za-z]+", rule)} == SOFT
    assert set(KEYWORDS) > SOFT


def test_every_declaration_is_known_to_the_messages() -> None:
    (items,) = re.findall(r"^_item: (.*\n.*)$", TEXT, re.MULTILINE)
    assert sorted(re.findall("[a-z]+", items)) == sorted(DECLARATIONS)


def test_generated_charters_use_every_word() -> None:
    """What the generator never writes, the oracle of lowering never tests."""
    texts = [s.text for number in range(60) for s in generate.sources_of(generate.chance(number))]
    written = set(re.findall("[a-z]+", re.sub('"[^"\n]*"', "", " ".join(texts))))
    # One word for a place in the law stands for all.
    assert set(KEYWORDS) - written <= {"chapter", "section", "criterion"}
