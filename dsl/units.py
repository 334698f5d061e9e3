"""The closed list of units, and exact conversion between those of one dimension.

Decimal multiples are those of the SI; `kibibytes` and so on are those of IEC 80000-13.
Months and years are a dimension of their own, for no number of days is a month.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Unit:
    """`name` is the one word that stands for the unit in facts and answers; `factor` is how
    many of the smallest unit of its dimension it holds."""

    name: str
    dimension: str
    factor: int


_DIMENSIONS: Mapping[str, Mapping[str, int]] = {
    "time": {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800},
    "calendar": {"months": 1, "years": 12},
    "power": {"kilowatts": 1, "megawatts": 10**3, "gigawatts": 10**6},
    "compute": {
        "teraflop": 1,
        "petaflop": 10**3,
        "exaflop": 10**6,
        "zettaflop": 10**9,
        "yottaflop": 10**12,
    },
    "data": {
        "bytes": 1,
        "kilobytes": 10**3,
        "megabytes": 10**6,
        "gigabytes": 10**9,
        "terabytes": 10**12,
        "petabytes": 10**15,
        "kibibytes": 2**10,
        "mebibytes": 2**20,
        "gibibytes": 2**30,
        "tebibytes": 2**40,
    },
    "bandwidth": {"gigabytes-per-second": 1},
    "eur": {"eur": 1},
    "usd": {"usd": 1},
    "gbp": {"gbp": 1},
    "share": {"percent": 1},
    "performance": {"tpp": 1},
    "persons": {"persons": 1},
    "items": {"items": 1},
    "points": {"points": 1},
    "versions": {"versions": 1},
}
# What a number says by itself, as in `firmware at least 23`: the unit may be left out.
SPOKEN_BARE = frozenset({"versions"})
# `point` is a word for a place in the law: of `annex 1 point 5` nobody reads one point.
_NO_SINGULAR = ("points",)
_OTHER_WORDS = {"percent": ("%",), "gigabytes-per-second": ("gigabyte-per-second",)}


def _words() -> Iterator[tuple[str, Unit]]:
    for dimension, factors in _DIMENSIONS.items():
        for name, factor in factors.items():
            unit = Unit(name, dimension, factor)
            yield name, unit
            if name.endswith("s") and name not in _NO_SINGULAR:
                yield name.removesuffix("s"), unit
            for word in _OTHER_WORDS.get(name, ()):
                yield word, unit


# Every word that an author may write for a unit, the only one and many, and `%`.
UNITS: Mapping[str, Unit] = MappingProxyType(dict(_words()))
# Decimals of a number whose declaration does not say, by name of its unit; others have none.
DEFAULT_SCALE: Mapping[str, int] = MappingProxyType({"percent": 2})


def convert(value: int, decimals: int, unit: Unit, to: Unit, scale: int) -> int | None:
    """
    An amount in another unit.

    Args:
        value: The amount in steps of 10**-`decimals` of `unit`.
        scale: The result counts steps of 10**-`scale` of `to`.

    Returns:
        The exact number of steps, or None where there is none: they do not come out even,
        or the units are of two dimensions. Never rounded.
    """
    if unit.dimension != to.dimension:
        return None
    steps, rest = divmod(value * unit.factor * 10**scale, to.factor * 10**decimals)
    return None if rest else steps
