"""TOML text with a bound that the standard library does not set."""

import tomllib
from typing import Any

# `tomllib` takes time quadratic in the parts of a dotted key. No line that means something
# comes near this many.
MAX_DOTS_A_LINE = 1_000


def loads(text: str) -> dict[str, Any]:
    """The tables of a TOML document (TOML 1.0).

    Raises:
        ValueError: It is no TOML, names a date that does not exist, or has a line that would
            take too long to read.
        RecursionError: It is nested too deeply.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > MAX_DOTS_A_LINE:
            raise ValueError(f"line {number} has more than {MAX_DOTS_A_LINE:,} dots; divide it")
    return tomllib.loads(text)
