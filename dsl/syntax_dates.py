"""Syntax errors: dates as they are written elsewhere, and `today`."""

import re
from datetime import date

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import SourceText, Span
from dsl.syntax_comparisons import COMPARED
from dsl.syntax_signs import habit
from dsl.unexpected import Unexpected, last_end, previous_word

# English, German and French.
_MONTHS = (
    "january januar janvier",
    "february februar février",
    "march märz mars",
    "april avril",
    "may mai",
    "june juni juin",
    "july juli juillet",
    "august août",
    "september septembre",
    "october oktober octobre",
    "november novembre",
    "december dezember décembre",
)
_NUMBER_OF = {
    written: number
    for number, names in enumerate(_MONTHS, start=1)
    for name in names.split()
    for written in (name, *([name[:3]] if name == names.split()[0] else []))
}
_MONTH = "|".join(rf"{name}\b\.?" for name in sorted(_NUMBER_OF, key=len, reverse=True))
# A word processor makes other dashes of hyphens.
_DASHES = "\u2010\u2011\u2012\u2013"
_YEAR_FIRST = re.compile(
    rf"([0-9]{{4}})[-./{_DASHES}]([0-9]{{1,2}})[-./{_DASHES}]([0-9]{{1,2}})(?![\w/.-])"
)
_WITH_POINTS = re.compile(r"([0-9]{1,2})\.\s?([0-9]{1,2})\.\s?([0-9]{4})(?![\w/.-])")
_WITH_STROKES = re.compile(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})(?![\w/.-])")
_DAY_IN_WORDS = re.compile(
    rf"([0-9]{{1,2}})(?:st|nd|rd|th|er|\.)?[ \t]+({_MONTH}),?[ \t]+([0-9]{{4}})\b", re.IGNORECASE
)
_WORDS_BEFORE = re.compile(rf"({_MONTH})[ \t]+([0-9]{{1,2}}),?[ \t]+([0-9]{{4}})\b", re.IGNORECASE)
_WITH_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ][0-9]{1,2}:?[0-9:.]*[A-Za-z0-9:+-]*")
_IN_QUOTES = re.compile(r'"([0-9]{4}-[0-9]{2}-[0-9]{2})"')
_WHOLE = re.compile(r'"[^"\n]{0,60}"|[\w./:+-]*\w')
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+")
_UNITS_OF_DAYS = r"days?|weeks?"
_GLUED = re.compile(rf"today[ \t]*([+-])[ \t]*([0-9]+)[ \t]*({_UNITS_OF_DAYS})\b")
_AGO = re.compile(rf"([0-9]+)[ \t]+({_UNITS_OF_DAYS})[ \t]+(ago|from[ \t]+now|from[ \t]+today)\b")
_OTHER_DAYS = {"now": "today", "tomorrow": "today + 1 day", "yesterday": "today - 1 day"}
_STRETCH = re.compile(
    r"(?:the[ \t]+)?(last|past|previous|preceding|next|coming|following)(?=[ \t]+[0-9])"
)
_ORDER = re.compile(r"(at\s+least|at\s+most|more\s+than|less\s+than)\s+\Z")
_ORDER_OF_DATES = {
    "at least": "on or after",
    "at most": "on or before",
    "more than": "after",
    "less than": "before",
}
_FLIPPED = {
    "before": "after",
    "after": "before",
    "on or before": "on or after",
    "on or after": "on or before",
}
_CLOCK = re.compile(r"today\s+(before|after|on\s+or\s+before|on\s+or\s+after)\s+\Z")
_LONG = {
    **dict.fromkeys(("h", "hr", "hrs", "std"), "hours"),
    **dict.fromkeys(("min", "mins"), "minutes"),
    **dict.fromkeys(("d",), "days"),
    **dict.fromkeys(("wk", "wks"), "weeks"),
    **dict.fromkeys(("mth", "mths"), "months"),
    **dict.fromkeys(("yr", "yrs"), "years"),
}
_ABBREVIATED = re.compile(rf"([0-9]+)[ \t]*({'|'.join(_LONG)})\b\.?", re.IGNORECASE)
_DAYS_OF_A_KIND = re.compile(r"([0-9]+)[ \t]+(calendar|working|business|banking)[ \t]+(days?)\b")
_NEAR = 40  # characters before a word in which its phrase is looked for


def _day(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """Where a day goes: one in another notation, or no day."""
    if not met.wants_day:
        return None
    for explanation in (_day_of_words, _ago):
        found = explanation(source, met)
        if found is not None:
            return found
    span, mended = _mended(source, met.start)
    if _WITH_TIME.match(source.text, met.start):
        return _instead(span, f"{quoted(span.text)} has a time of day", mended)
    notes: tuple[str, ...] = ()
    if mended is None and _WITH_STROKES.fullmatch(span.text):
        notes = ("two readers could take it for two days",)
    if mended is not None and re.search(f"[{_DASHES}]", span.text):
        notes = ("its dashes are not the hyphen of the keyboard",)
    words = "write year-month-day, such as `2018-05-25`"
    if "TODAY" in met.expected:
        words += ", or count from today, such as `today + 30 days`"
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} is not a date",
        (Label(span),),
        notes,
        f"write `{mended}`" if mended else words,
        Fix(span, mended) if mended else None,
    )


def _mended(source: SourceText, start: int) -> tuple[Span, str | None]:
    """What stands for a day, and that day in the notation of the language if it has one."""
    for pattern, order in (
        (_YEAR_FIRST, (1, 2, 3)),
        (_WITH_POINTS, (3, 2, 1)),
        (_DAY_IN_WORDS, (3, 2, 1)),
        (_WORDS_BEFORE, (3, 1, 2)),
    ):
        match = pattern.match(source.text, start)
        if match is not None:
            year, month, day = (match[group] for group in order)
            return source.span(*match.span()), _iso(year, month, day)
    match = _WITH_STROKES.match(source.text, start)
    if match is not None:
        first, second = int(match[1]), int(match[2])
        month, day = (second, first) if first > 12 else (first, second)
        one_reading = first > 12 or second > 12 or first == second
        mended = _iso(match[3], str(month), str(day)) if one_reading else None
        return source.span(*match.span()), mended
    for pattern in (_WITH_TIME, _IN_QUOTES):
        match = pattern.match(source.text, start)
        if match is not None:
            return source.span(*match.span()), match[1]
    match = _WHOLE.match(source.text, start)
    return source.span(start, match.end() if match else start + 1), None


def _iso(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdigit() else _NUMBER_OF[month.lower().rstrip(".")]
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:
        return None


def _instead(span: Span, message: str, mended: str | None) -> Diagnostic:
    fix = Fix(span, mended) if mended else None
    return Diagnostic(Code.UNEXPECTED, message, (Label(span),), help=f"write `{mended}`", fix=fix)


def _day_as_value(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`contract.ends = 1 January 2027`: the 1 was taken for the value."""
    before = previous_word(source, met.start)
    if met.terminal not in ("NAME", "UPPER") or before is None:
        return None
    match = _DAY_IN_WORDS.match(source.text, before.start)
    mended = _iso(match[3], match[2], match[1]) if match else None
    if match is None or mended is None or match.end() <= met.start:
        return None
    span = source.span(*match.span())
    return _instead(span, f"{quoted(span.text)} is not a date", mended)


def _day_of_words(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`now`, and `today-30 days`, which is one word for the parser."""
    if "TODAY" not in met.expected:
        return None
    glued = _GLUED.match(source.text, met.start)
    if glued is not None:
        mended = f"today {glued[1]} {glued[2]} {glued[3]}"
        return _instead(source.span(*glued.span()), "spaces are missing around the sign", mended)
    word = met.span(source)
    return habit(word, _OTHER_DAYS[word.text]) if word.text in _OTHER_DAYS else None


def _today_first(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`today before contract.ends`."""
    if met.terminal != "DOTTED":
        return None
    clock = _CLOCK.search(source.text[max(0, met.start - _NEAR) : met.start])
    if clock is None:
        return None
    span = source.span(met.start - len(clock[0]), met.end)
    mended = f"{met.span(source).text} {_FLIPPED[' '.join(clock[1].split())]} today"
    return _instead(span, "`today` comes after the attribute that it is compared with", mended)


def _ago(source: SourceText, met: Unexpected) -> Diagnostic | None:
    match = _AGO.match(source.text, met.start)
    if match is None or "TODAY" not in met.expected:
        return None
    sign = "-" if match[3] == "ago" else "+"
    return habit(source.span(*match.span()), f"today {sign} {match[1]} {match[2]}")


def _order(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`at least 2027-01-12`: dates have words of their own."""
    if met.terminal not in ("DATE", "TODAY"):
        return None
    match = _ORDER.search(source.text[max(0, met.start - _NEAR) : met.start])
    if match is None:
        return None
    start = met.start - len(match[0])
    span = source.span(start, start + len(match[1]))
    mended = _ORDER_OF_DATES[" ".join(match[1].split())]
    return _instead(span, f"{quoted(span.text)} is said of numbers, not of dates", mended)


def _stretch(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`in the last 30 days`, `within last 30 days`."""
    match = _STRETCH.match(source.text, met.start)
    before = previous_word(source, met.start)
    if match is None or before is None or before.text not in ("in", "within"):
        return None
    word = "next" if match[1] in ("next", "coming", "following") else "last"
    return habit(source.span(before.start, match.end()), f"within the {word}")


def _without_unit(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`today + 30`, `within 30`: a stretch of time without its unit."""
    only_quantity = met.expected == frozenset({"QUANTITY"})
    after_within = met.expected == frozenset({"QUANTITY", "UPPER", "LBRACE"})
    if met.terminal not in ("INTEGER", "DECIMAL") or not (only_quantity or after_within):
        return None
    span = met.span(source)
    days = _DAYS_OF_A_KIND.match(source.text, met.start)
    if days is not None:
        return _days_of_a_kind(source.span(*days.span()), days)
    short = _ABBREVIATED.match(source.text, met.start)
    if short is not None:
        mended = f"{short[1]} {_LONG[short[2].lower()]}"
        return _instead(source.span(*short.span()), "a unit is written out", mended)
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(span.text)} has no unit",
        (Label(span),),
        help=f"write a unit after it, such as `{quoted(span.text)[1:-1]} days`",
    )


def _days_of_a_kind(span: Span, days: re.Match[str]) -> Diagnostic:
    """`30 calendar days`, `30 working days`."""
    if days[2] == "calendar":
        mended = f"{days[1]} {days[3]}"
        return _instead(span, "every day is counted, so nothing says which", mended)
    return Diagnostic(
        Code.UNEXPECTED,
        f"{quoted(days[2])} days are not known here",
        (Label(span),),
        ("every day is counted, holidays too",),
        "write so many days as keep to the law on every calendar",
    )


def _difference(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`derive ... as a.b - c.d`: one date less another."""
    if met.terminal != "MINUS_SIGN" or not {"PLUS", "MINUS"} <= met.expected:
        return None
    after = re.compile(r"-\s*").match(source.text, met.start)
    last = previous_word(source, met.start)
    first = _ATTRIBUTE.match(source.text, after.end()) if after else None
    if last is None or first is None:
        return None
    span = source.span(last.start, first.end())
    mended = f"the days from {first[0]} to {last.text}"
    return _instead(span, "two attributes cannot be subtracted", mended)


def _between(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`path between this and that`: both ends are said on their own."""
    if "AT_LEAST" not in met.expected or met.span(source).text != "between":
        return None
    end = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9][0-9 .]*(?:[ \t]*%|[ \t]+[a-z]+(?:-[a-z]+)*)?"
    match = re.compile(rf"(?:is\s+)?between\s+({end})\s+and\s+({end})(?![\w-])").match(
        source.text, met.start
    )
    path = previous_word(source, met.start)
    if match is None or path is None or not _ATTRIBUTE.fullmatch(path.text):
        return Diagnostic(
            Code.FOREIGN_HABIT,
            "`between` is not a word of the language",
            (Label(met.span(source)),),
            ("whether the two ends belong to it would be left open",),
            "write two conditions joined by `and`, one for each end",
        )
    dates = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", match[1])
    low, high = ("on or after", "on or before") if dates else ("at least", "at most")
    mended = f"{path.text} {low} {match[1]} and {path.text} {high} {match[2]}"
    return Diagnostic(
        Code.FOREIGN_HABIT,
        "`between` is not a word of the language",
        (Label(source.span(met.start, match.end())),),
        ("whether the two ends belong to it would be left open",),
        f"write `{mended}`, if they do",
        Fix(source.span(path.start, match.end()), f"({mended})"),
    )


def _missing_date_word(source: SourceText, met: Unexpected) -> Diagnostic | None:
    """`contract.ends 2027-01-12`."""
    if met.terminal not in ("DATE", "TODAY") or "ON_OR_AFTER" not in met.expected:
        return None
    end = last_end(source, met.start)
    return Diagnostic(
        Code.UNEXPECTED,
        f"nothing says how the attribute is compared with {quoted(met.span(source).text)}",
        (Label(met.span(source)), Label(source.span(max(0, end - 1), end), "after this")),
        help="write `before`, `after`, `on or before`, `on or after` or `=` before it",
    )


DATES = (
    _today_first,
    *COMPARED,
    _day_as_value,
    _day,
    _order,
    _stretch,
    _without_unit,
    _difference,
    _between,
    _missing_date_word,
)
