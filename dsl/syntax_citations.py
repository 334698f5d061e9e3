"""Syntax errors: places in the law, as lawyers write them."""

import re

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.unexpected import Unexpected, previous_word

_SAMPLES = {
    "art": "46(2)(c)",
    "annex": "III",
    "chapter": "V",
    "section": "2",
    "recital": "101",
    "point": "5",
    "criterion": "C1",
}
_WORD = "|".join(_SAMPLES)
_PLACE = re.compile(rf"\b({_WORD})[ \t]+([0-9]+[a-z]*(?:\([0-9a-z]+\))*)[ \t]+\Z")
_AFTER_NUMBER = r"[0-9]+[a-z]?|[a-z]{1,2}"
_BRACKETS = re.compile(rf"(?:[ \t]*\((?:{_AFTER_NUMBER})\))+")
_PART_WORDS = "paragraphs?|paras?|pars?|subparagraph|subpara|letters?|lit"
_PARTS = re.compile(
    rf"(?:[ \t]*(?:{_PART_WORDS})\.?[ \t]*(?:\((?:{_AFTER_NUMBER})\)|\b(?:{_AFTER_NUMBER})\b))+"
)

_CITES = re.compile(r"\bcites[ \t]+[A-Z][A-Za-z0-9-]*(?=[ \t])")
# As it is written in English, German and French.
_KINDS = {
    **dict.fromkeys(("art", "arts", "article", "articles", "artikel"), "art"),
    **dict.fromkeys(("annex", "anhang", "annexe"), "annex"),
    **dict.fromkeys(("chapter", "kapitel", "chapitre"), "chapter"),
    **dict.fromkeys(("section", "abschnitt", "§", "§§", "sec", "sect"), "section"),
    **dict.fromkeys(("recital", "recitals", "erwägungsgrund", "considérant"), "recital"),
    **dict.fromkeys(("point", "nummer", "ziffer", "nr"), "point"),
}
_ANY_PART = f"{_PART_WORDS}|absatz|abs|unterabsatz|uabs|buchstabe|buchst|alinéa"
_ONE_PART = (
    rf"[ \t]*(?:\b(?:{_ANY_PART})\b\.?[ \t]*(?:\((?:{_AFTER_NUMBER})\)|(?:{_AFTER_NUMBER})\b)"
    rf"|\((?:{_AFTER_NUMBER})\))"
)
_WRITTEN = re.compile(
    r"(§§?|[^\W\d_]+\.?)[ \t]*([0-9]+[a-z]?(?:\.[0-9a-z]+)*(?:\([0-9a-z]+\))*|[IVXL]+\b)"
    f"((?:{_ONE_PART})*)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(?:-|–|et\s+seqq?\b|ff?\b|to\b|bis\b|and\b|und\b)")  # noqa: RUF001


def _no_number(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`cites GDPR art`, and then the next clause."""
    if met.expected != frozenset({"LOCATOR", "INTEGER", "DECIMAL", "UPPER", "NAME"}):
        return None
    word = previous_word(source, met.start)
    if word is None or word.text not in _SAMPLES:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        f"`{word.text}` has no number after it",
        (Label(word),),
        help=f"write a place such as `{word.text} {_SAMPLES[word.text]}`",
    )


def _space(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`art 8 (1)`."""
    place = _place(source, met)
    brackets = _BRACKETS.match(source.text, met.start)
    if met.terminal != "LPAR" or place is None or brackets is None:
        return None
    span = source.span(place.start, brackets.end())
    mended = re.sub(r"\s", "", span.text)
    return Diagnostic(
        Code.UNEXPECTED,
        "there must be no space before `(`",
        (Label(span),),
        help=f"write `{mended}`",
        fix=Fix(span, mended),
    )


def _paragraph(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`art 8 para 1`."""
    place = _place(source, met)
    word = met.span(source)
    if met.terminal != "NAME" or place is None or not re.fullmatch(_PART_WORDS, word.text):
        return None
    parts = _PARTS.match(source.text, met.start)
    if parts is None:
        return _foreign(word, "write its number in brackets, such as `art 8(1)`", None)
    span = source.span(place.start, parts.end())
    numbers = re.sub(rf"{_PART_WORDS}|[.\s()]+", " ", parts[0]).split()
    mended = place.text + "".join(f"({number})" for number in numbers)
    before = previous_word(source, place.start)
    kind = before.text if before else "art"
    return _foreign(word, f"write `{kind} {mended}`", Fix(span, mended))


def written_place(source: SourceText, at: int) -> Diagnostic | None:
    """`Art. 46 para 2 lit. c`, `§ 393 Abs. 1`, `Artikel 30` after `cites` and a law."""
    line = max(source.text.rfind("\n", 0, at) + 1, at - 200)
    cites = _CITES.search(source.text[line:at])
    if cites is None:
        return None
    for match in _WRITTEN.finditer(source.text, line + cites.end(), at + 200):
        kind = _KINDS.get(match[1].lower().rstrip("."))
        if not match.start() <= at < match.end() or kind is None:
            continue
        numbers = re.sub(rf"\b(?:{_ANY_PART})\b|[.\s()]+", " ", match[3] or "", flags=re.I).split()
        mended = f"{kind} {match[2]}" + "".join(f"({number})" for number in numbers)
        span = source.span(*match.span())
        if mended == span.text:
            return None
        return Diagnostic(
            Code.FOREIGN_HABIT,
            f"{quoted(span.text)} is not how a place in the law is written",
            (Label(span),),
            help=f"write `{mended}`",
            fix=Fix(span, mended),
        )
    return None


def _written(source: SourceText, met: Unexpected) -> Diagnostic | None:
    return written_place(source, met.start)


def _range(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`art 30-31`, `art 30 et seq.`, `art 30 and 31`."""
    if "ART" not in met.expected:
        return None
    return range_of_places(source, met.start)


def range_of_places(source: SourceText, at: int) -> Diagnostic | None:
    match = _RANGE.match(source.text, at)
    line = max(source.text.rfind("\n", 0, at) + 1, at - 200)
    if match is None or _CITES.search(source.text[line:at]) is None:
        return None
    return Diagnostic(
        Code.UNEXPECTED,
        "a citation names one place",
        (Label(source.span(*match.span())),),
        help="write `cites` once for each",
    )


def _foreign(word: Span, help_: str, fix: Fix | None) -> Diagnostic:
    message = f"{quoted(word.text)} is not a word of the language"
    return Diagnostic(Code.FOREIGN_HABIT, message, (Label(word),), help=help_, fix=fix)


def _place(source: SourceText, met: Unexpected) -> Span | None:
    """The number of the place in the law that ends, but for blanks, where the parser is."""
    if "ART" not in met.expected:
        return None
    line = source.text.rfind("\n", 0, met.start) + 1
    # A place is short, and a line can be as long as a file.
    found = _PLACE.search(source.text[max(line, met.start - 200) : met.start])
    if found is None:
        return None
    offset = max(line, met.start - 200)
    return source.span(offset + found.start(2), offset + found.end(2))


CITATIONS = (_no_number, _space, _paragraph, _written, _range)
