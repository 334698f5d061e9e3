"""Points in time as evidence writes them (RFC 3339), compared as instants."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII
)


def parse_instant(text: object) -> datetime:
    """The instant that a text names, in UTC.

    Raises:
        ValueError: Not RFC 3339 with an offset, or no day or time that there is.
    """
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("not a time in RFC 3339 with its offset")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the years that can be counted") from error


def same_instant(one: object, other: object) -> bool:
    """Whether both are texts that name one instant, in whatever zone."""
    try:
        return parse_instant(one) == parse_instant(other)
    except ValueError:
        return False
