"""JSON as RFC 8259 has it and no looser, because two readers of one text must agree."""

import json
from typing import Any

from conformance.errors import ShapeError


def parse(text: bytes) -> object:
    """The value in a JSON text.

    Raises:
        ShapeError: No JSON, a member named twice, NaN or an infinity, a lone surrogate,
            bytes that are not UTF-8, or nesting too deep to read.
    """
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
        canonical(value)
    except ShapeError:
        raise
    except UnicodeEncodeError as error:
        raise ShapeError("", "a string holds half a surrogate pair") from error
    except RecursionError as error:
        raise ShapeError("", "nested too deep") from error
    except ValueError as error:
        raise ShapeError("", "not JSON in UTF-8") from error
    return value


def canonical(value: object) -> bytes:
    """The RFC 8785 form. True to it for what the suite writes: ASCII names, no fractions."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ShapeError("", "an object has two members of one name")
    return members


def _no_constant(name: str) -> object:
    raise ShapeError("", f"`{name}` is not JSON")
