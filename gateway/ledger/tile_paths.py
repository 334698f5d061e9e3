"""Names of tiles and entry bundles (C2SP tlog-tiles).

tile/<L>/<N>[.p/<W>]         hashes of tree level 8 * L
tile/entries/<N>[.p/<W>]     the entries themselves

N is written in groups of three digits, all but the last with an `x` before them; W is there
only where a tile is not full.
"""

import re
from dataclasses import dataclass

TILE_WIDTH = 256
MAX_LEVEL = 7  # 256^8 entries are 2^64: no tree is higher
MAX_NAME = 80
_GROUPS = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_PATH = re.compile(rf"tile/(entries|[0-9])/({_GROUPS})(?:\.p/([1-9][0-9]{{0,2}}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TilePath:
    """A tile of a level, or a bundle of entries where the level is None; `width` is how many
    of the 256 it has."""

    level: int | None
    index: int
    width: int

    @property
    def text(self) -> str:
        kind = "entries" if self.level is None else str(self.level)
        return f"tile/{kind}/{tile_name(self.index, self.width)}"


def tile_name(number: int, width: int) -> str:
    """`x001/x234/067`, or `x001/x234/067.p/8` of a tile that is not full."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups) + ("" if width == TILE_WIDTH else f".p/{width}")


def parse_tile_path(text: str) -> TilePath:
    """Read a path, which has one spelling.

    Raises:
        ValueError: It is none.
    """
    found = _PATH.fullmatch(text[: MAX_NAME + 1])
    if found is None:
        raise ValueError("not the path of a tile")
    kind, groups, width = found.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    path = TilePath(
        None if kind == "entries" else int(kind), index, TILE_WIDTH if width is None else int(width)
    )
    # More groups than are needed, or the width of a full tile, would be a second spelling.
    if path.text != text or path.width > TILE_WIDTH or (path.level or 0) > MAX_LEVEL:
        raise ValueError("not the path of a tile as the specification writes it")
    return path
