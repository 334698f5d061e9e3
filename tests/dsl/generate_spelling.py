"""The same thing in other words: what an author may write differently and mean the same.

A generator decides what to say with one source of chance and asks a `Speller` how to say
it. Two spellers over the same decisions give two texts that have to compile to one core.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

# Stands for a space that may not become other white space: between digits of a number.
FIXED_SPACE = "\x00"

_GAPS = (" ", " ", " ", "  ", "\n", "\t", "\n    ", " \r\n ")
_LINE_ENDS = ("\n", "\n", "\n\n", "  # a comment\n", "\n# and if not\n  ", "\r\n")

# Units an amount may be written in instead, with what one of them is in the first.
_LARGER = {
    "days": (("weeks", 7),),
    "minutes": (("hours", 60),),
    "months": (("years", 12),),
    "megawatts": (("gigawatts", 1000),),
    "teraflop": (("petaflop", 1000),),
}


class Speller:
    """Chooses among spellings; without a source of chance always the first."""

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng

    def one_of(self, *spellings: str) -> str:
        return spellings[0] if self._rng is None else self._rng.choice(spellings)

    def shuffled(self, items: Sequence[str]) -> list[str]:
        listed = list(items)
        if self._rng is not None:
            self._rng.shuffle(listed)
        return listed

    def text(self, source: str) -> str:
        """A source in other white space and with comments, outside its strings."""
        if self._rng is not None:
            quoted = source.split('"')
            quoted[::2] = [self._spaced(part) for part in quoted[::2]]
            source = '"'.join(quoted)
        return source.replace(FIXED_SPACE, " ")

    def _spaced(self, part: str) -> str:
        assert self._rng is not None
        gaps = {" ": _GAPS, "\n": _LINE_ENDS}
        # A comment may stand at the end of a line only; a phrase never crosses one.
        return "".join(
            self._rng.choice(gaps[c]) if c in gaps and self._rng.random() < 0.2 else c for c in part
        )

    # --- conditions ------------------------------------------------------------------

    def atom(self, *spellings: str) -> str:
        """A comparison in one of its spellings, perhaps denied twice or in brackets."""
        plain = self.one_of(*spellings)
        return self.one_of(plain, plain, plain, f"({plain})", f"not not {plain}")

    def joined(self, word: str, parts: Sequence[str]) -> str:
        """`a and b and c`, whose order stays; the brackets around it are the caller's."""
        listed = list(parts)
        while len(listed) > 2 and self._flips():
            listed = [f"({f' {word} '.join(listed[:-1])})", listed[-1]]
        return f" {word} ".join(listed)

    def denied(self, word: str, parts: Sequence[str]) -> str:
        """`not (a and b)`, or the other word between denials (De Morgan)."""
        other = "or" if word == "and" else "and"
        apart = self.joined(other, [f"not {part}" for part in parts])
        return self.one_of(f"not ({self.joined(word, parts)})", f"({apart})")

    def _flips(self) -> bool:
        return self._rng is not None and self._rng.random() < 0.5

    # --- literals --------------------------------------------------------------------

    def braces(self, values: Sequence[str]) -> str:
        return "{" + ", ".join(self.shuffled(values)) + "}"

    def parts(self, values: Sequence[str]) -> str:
        """A set of values for a region, whole or in two parts."""
        whole = "{" + ", ".join(values) + "}"
        if len(values) < 2:
            return whole
        return self.one_of(whole, "{" + values[0] + "} + {" + ", ".join(values[1:]) + "}")

    def amount(self, steps: int, unit: str, scale: int = 0) -> str:
        """So many steps of 10**-scale of a unit."""
        spellings = [f"{number} {unit}" for number in _numbers(steps, scale)]
        for larger, factor in _LARGER.get(unit, ()):
            if steps % (factor * 10**scale) == 0 and steps:
                spellings.append(f"{steps // (factor * 10**scale)} {larger}")
        if unit == "percent":
            spellings += [f"{number} %" for number in _numbers(steps, scale)]
        if unit == "megawatts" and scale == 1:
            spellings.append(f"{steps * 100} kilowatts")
        return self.one_of(*spellings)

    def order(self, path: str, word: str, steps: int, unit: str, scale: int = 0) -> str:
        """A comparison of a number by a word of order or equality."""

        def say(other: str, by: int = 0) -> str:
            return f"{path} {other} {self.amount(steps + by, unit, scale)}"

        spellings = [say(word)]
        spellings.append(f"not {say(_OPPOSITES[word])}")
        if word in _NEIGHBOURS and steps + _NEIGHBOURS[word][1] >= 0:
            spellings.append(say(*_NEIGHBOURS[word]))
        return self.atom(*spellings)

    def before(self, path: str, word: str, day: date, *, of_today: bool = False) -> str:
        """A comparison of a date with a date. The opposite of `today` is another core."""
        spellings = [f"{path} {word} {day}"]
        if word in _NEIGHBOURS:
            other, by = _NEIGHBOURS[word]
            spellings.append(f"{path} {other} {day + timedelta(days=by)}")
        if not of_today:
            spellings.append(f"not {path} {_OPPOSITES[word]} {day}")
        return self.atom(*spellings)

    def around_today(self, path: str, word: str, offset: int) -> str:
        """A comparison of a date with a day that counts from today."""

        def say(other: str, by: int = 0) -> str:
            return f"{path} {other} {self.today(offset + by)}"

        spellings = [say(word), f"not {say(_OPPOSITES[word])}"]
        if word in _NEIGHBOURS:
            spellings.append(say(*_NEIGHBOURS[word]))
        return self.atom(*spellings)

    def today(self, offset: int) -> str:
        if offset == 0:
            return self.one_of("today", "today + 0 days", "today - 0 weeks")
        sign = "-" if offset < 0 else "+"
        return f"today {sign} {self.days(abs(offset))}"

    def days(self, count: int) -> str:
        plain = [f"{count} days", f"{count} day"]
        return self.one_of(*plain, *([f"{count // 7} weeks"] if count % 7 == 0 and count else []))

    def recently(self, path: str, count: int) -> str:
        days = self.days(count)
        return self.atom(f"{path} within the last {days}", f"{path} within {days}")


def _numbers(steps: int, scale: int) -> list[str]:
    whole, part = divmod(abs(steps), 10**scale)
    sign = "-" if steps < 0 else ""
    numbers = [f"{sign}{whole}", f"{sign}{whole:,}".replace(",", FIXED_SPACE)]
    if scale:
        digits = f"{part:0{scale}}"
        plain = digits.rstrip("0")
        numbers = [f"{sign}{whole}.{plain}" if plain else f"{sign}{whole}"]
        numbers.append(f"{sign}{whole}.{digits}")
    return numbers


_OPPOSITES = {
    "=": "is not",
    "is not": "=",
    "at least": "less than",
    "less than": "at least",
    "at most": "more than",
    "more than": "at most",
    "before": "on or after",
    "on or after": "before",
    "after": "on or before",
    "on or before": "after",
}
# The same by the neighbouring step.
_NEIGHBOURS = {
    "at least": ("more than", -1),
    "more than": ("at least", 1),
    "at most": ("less than", 1),
    "less than": ("at most", -1),
    "on or after": ("after", -1),
    "after": ("on or after", 1),
    "on or before": ("before", 1),
    "before": ("on or before", -1),
}
