"""Values that look like others. Facts are compared character by character, so that a rule on
a look-alike is silent for ever. After Unicode Technical Standard 39, sections 3 and 5:

    refused      what is not in composed letters (normalisation form C)
    warned of    letters of two scripts in one word, but for those that are written together;
                 a value wholly of Cyrillic or Greek letters that look Latin; letters and digits
                 that are another form of a plain one; digits of two systems; combining marks
                 that stand on nothing or on each other
"""

import re
import unicodedata
from collections.abc import Iterator

from dsl.codes import Code
from dsl.diagnostics import Fix, Severity, quoted
from dsl.found import Found
from dsl.tree import Word

# Section 5.2, "highly restrictive": scripts that are written together.
_TOGETHER = (
    {"Latin", "Cjk", "Hiragana", "Katakana"},
    {"Latin", "Cjk", "Bopomofo"},
    {"Latin", "Cjk", "Hangul"},
)
_WORD = re.compile(r"[^\W_]+")
# Of the data of section 4: letters that most typefaces draw like those of ASCII.
_LIKE_LATIN = frozenset(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u04ae"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bd\u03bf"
)
_LETTERS = ("Lu", "Ll", "Lt", "Lo")


def check_looks(word: Word, found: Found) -> bool:
    """Whether a name or value is spelt as others would spell it; what only may be wrong is
    warned of, once for each spelling."""
    text = word.text
    if text.isascii():
        return True
    composed = unicodedata.normalize("NFC", text)
    if composed != text:
        found.report(
            Code.LOOKALIKE,
            f"{quoted(word.span.text)} is not written in composed letters",
            word.span,
            f'write `"{composed}"`, in the letters that a keyboard gives',
            note="two spellings look the same, and values are compared character by character",
            fix=Fix(word.span, f'"{composed}"'),
        )
        return False
    for char, message in _suspicions(text):
        if found.first_time(Code.LOOKALIKE, text):
            at = word.span.start + word.span.text.index(char)
            found.report(
                Code.LOOKALIKE,
                f"in {quoted(word.span.text)}, {message}",
                word.span.source.span(at, at + 1),
                "make sure that the catalogue and those who ask spell it so",
                note="values are compared character by character, whatever they look like",
                severity=Severity.WARNING,
            )
    return True


def _suspicions(text: str) -> Iterator[tuple[str, str]]:
    """What is odd in a value, each with the character that shows it."""
    for char in text:
        plain = unicodedata.normalize("NFKC", char)
        if plain != char and char.isalnum():
            yield char, f"{quoted(char)} is another form of {quoted(plain)}"
    for found in _WORD.finditer(text):
        yield from _mixed(found[0])
    letters = [char for char in text if unicodedata.category(char) in _LETTERS]
    if letters and all(char in _LIKE_LATIN for char in letters):
        yield letters[0], f"every letter is {_script(letters[0])} and looks Latin"
    systems = {ord(char) - unicodedata.decimal(char): char for char in text if char.isdecimal()}
    if len(systems) > 1:
        yield systems[max(systems)], "there are digits of two systems"
    yield from _marks(text)


def _mixed(word: str) -> Iterator[tuple[str, str]]:
    """Of the letters of one word, the first of another script than the most."""
    scripts = {char: _script(char) for char in word if unicodedata.category(char) in _LETTERS}
    used = [scripts[char] for char in word if char in scripts]
    if len(set(used)) < 2 or any(together.issuperset(used) for together in _TOGETHER):
        return
    most = max(used, key=used.count)
    odd = next(char for char in word if scripts.get(char, most) != most)
    yield odd, f"{quoted(odd)} is a {scripts[odd]} letter among {most} ones"


def _marks(text: str) -> Iterator[tuple[str, str]]:
    before = ""
    for char in text:
        if unicodedata.category(char) == "Mn":
            if char == before:
                yield char, "a combining mark stands on itself"
            elif not before or not (before.isalnum() or unicodedata.category(before)[0] == "M"):
                yield char, "a combining mark stands on no letter"
        before = char


def _script(char: str) -> str:
    """The script of a letter, as its name begins with it."""
    return unicodedata.name(char, "unknown").split()[0].capitalize()
