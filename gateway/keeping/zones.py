"""Members of zones as rows: which act says that a country is in a zone, and since when.

A record names its bundle by digest. The bundle holds the charters, and these say on what each
member of a zone rests, such as an adequacy decision of the Commission.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from dsl.parse import parse
from dsl.source import SourceText
from dsl.tree import Zone

ZONES: Mapping[str, str] = MappingProxyType(
    {
        "bundle": "VARCHAR",
        "charter": "VARCHAR",
        "zone": "VARCHAR",
        "title": "VARCHAR",
        "member": "VARCHAR",
        "basis": "VARCHAR",
        "celex": "VARCHAR",
        "first_day": "DATE",
        "last_day": "DATE",
    }
)
"""The columns with their types in SQL."""

_SOURCES = "sources/"


def zone_rows(bundle: str, files: Mapping[str, bytes]) -> Iterator[dict[str, object]]:
    """The members of every zone that is declared by its members.

    Args:
        bundle: The digest.
        files: Those of the bundle, by path.
    """
    for name, data in sorted(files.items()):
        if not name.startswith(_SOURCES):
            continue
        charter = parse(SourceText(name.removeprefix(_SOURCES), data.decode())).charter
        if charter is None:
            continue
        for zone in charter.declarations:
            if isinstance(zone, Zone):
                yield from _members(bundle, charter.name.text, zone)


def _members(bundle: str, charter: str, zone: Zone) -> Iterator[dict[str, object]]:
    for member in zone.members:
        first, last = member.period.first, member.period.last
        for value in member.values:
            yield {
                "bundle": bundle,
                "charter": charter,
                "zone": zone.name.text,
                "title": zone.title.text,
                "member": value.text,
                "basis": None if member.basis is None else member.basis.text,
                "celex": None if member.celex is None else member.celex.text,
                "first_day": None if first is None else first.day.isoformat(),
                "last_day": None if last is None else last.day.isoformat(),
            }
