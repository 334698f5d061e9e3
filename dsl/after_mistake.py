"""Text without what is around a syntax error, so that reading it again finds the next
independent one. Nothing moves: what is left out is blanked."""

import difflib
import re
from itertools import islice

from dsl.unexpected import Unexpected
from dsl.words import DECLARATIONS

_DECLARATION = re.compile(rf"^[ \t]*({'|'.join(DECLARATIONS)})\b", re.MULTILINE)
# A line that begins with one of these begins a clause of a rule, whatever stands before it.
_CLAUSE = re.compile(
    r"^[ \t]*(cites|in[ \t]+force|on(?![ \t]+or\b)|when|require|permit|forbid|prefer|oblige"
    r"|advise|level|except|because|remedy|example)(?![\w.-])",
    re.MULTILINE,
)
# The same of the head.
_HEAD = re.compile(
    r"^[ \t]*(charter|title|law|time[ \t]+zone|as[ \t]+of|import)(?![\w.-])", re.MULTILINE
)
# No head is longer, and each is compared with every word of it.
MAX_LINES = 200
_NAMED = "charter"
_FIRST_WORDS = ("title", "law", "time", "timezone", "as", "import")
_FIRST = re.compile(r"^[ \t]*([A-Za-z]{2,12})\b", re.MULTILINE)


def without_mistake(text: str, met: Unexpected) -> str | None:
    """The text without the clause of the head or of a rule that the mistake is in, for both
    can be read without any of them, else without the declaration. None where there is no
    head: then the first declaration is none to leave out."""
    if "CHARTER" in met.expected:
        return None
    starts = [match.start(1) for match in _DECLARATION.finditer(text)]
    # What is missing before a declaration is missing from the one before.
    before = [start for start in starts if start < met.start]
    after = min((start for start in starts if start > met.start), default=len(text))
    if not before:
        first = min(starts, default=len(text))
        return _without_clause_of_head(text, met, min(first, after))
    start, end = before[-1], after
    if text.startswith("rule", start):
        clauses = [match.start(1) for match in _CLAUSE.finditer(text, start, end)]
        within = [clause for clause in clauses if clause < met.start]
        if within:
            start = within[-1]
            end = min((clause for clause in clauses if clause >= met.start), default=end)
    return text[:start] + _blank(text[start:end]) + text[end:]


def _without_clause_of_head(text: str, met: Unexpected, end: int) -> str | None:
    """`end` is where the declarations begin."""
    clauses = sorted(
        {match.start(1) for match in _HEAD.finditer(text, 0, end)} | _meant(text, met.start, end)
    )
    before = [clause for clause in clauses if clause < met.start]
    if not before:
        return None
    start = before[-1]
    if "IMPORT" in met.expected:
        # All before is complete: this would be a clause, were it not for its first word.
        start = met.start
        if _CLAUSE.search(text, start, end):
            return text[:start] + _blank(text[start:end]) + text[end:]
    end = min((clause for clause in clauses if clause > start and clause >= met.start), default=end)
    blank = _blank(text[start:end])
    if text.startswith(_NAMED, start):
        # A charter has a name.
        place = blank.find(" ", len(_NAMED) + 1)
        if place < 0:
            return None
        blank = f"{_NAMED}{blank[len(_NAMED) : place]}x{blank[place + 1 :]}"
    return text[:start] + blank + text[end:]


def _meant(text: str, start: int, end: int) -> set[int]:
    """Where lines of the head begin with what is nearly one of its words."""
    lines = islice(_FIRST.finditer(text, start, end), MAX_LINES)
    return {
        match.start(1)
        for match in lines
        if difflib.get_close_matches(match[1].lower(), _FIRST_WORDS, n=1, cutoff=0.75)
    }


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
