"""Text → tree, piece by piece. What a piece came to is remembered until its file is read
again, so that after an edit only the declaration that was edited is read; all others are
moved to where they stand now."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from lark.exceptions import UnexpectedInput

from dsl.build_tree import build, build_declarations
from dsl.diagnostics import Diagnostic
from dsl.pieces import Piece, cut, moved
from dsl.read_text import read_charter, read_piece
from dsl.source import SourceText
from dsl.tree import Charter, Declaration


@dataclass(frozen=True)
class _Known:
    """The declarations of a piece, and where it stood."""

    source: SourceText
    start: int
    declarations: tuple[Declaration, ...]

    def at(self, source: SourceText, start: int) -> "_Known":
        if self.source is source and self.start == start:
            return self
        return _Known(source, start, moved(self.declarations, source, start - self.start))


@dataclass(frozen=True)
class _Version:
    """The pieces of one version of a file, by their text."""

    pieces: Mapping[str, _Known]
    characters: int


class PieceReader:
    """Reads files piece by piece. Remembers of every name the version that was read last,
    of versions of at most `bound` characters in all."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._lock = Lock()
        self._versions: OrderedDict[str, _Version] = OrderedDict()
        self._characters = 0

    def read(self, source: SourceText, text: str) -> Charter | None:
        """The tree of a file that is neither too long nor nested too deeply; None where it
        must be read whole: it has a mistake, or it cannot be cut. `text` is that of
        `source`, but for marks that mean nothing."""
        head, *rest = cut(text)
        with self._lock:
            version = self._versions.get(source.name)
        known = dict(version.pieces) if version else {}
        charter = _head(source, head)
        whole = charter is not None and _read_until_mistake(source, rest, known)
        # Also where there is a mistake, for the next version may be without; and moved then
        # too, for a piece that stayed in another version would keep the text of that.
        pieces: dict[str, _Known] = {}
        declared: list[Declaration] = []
        for piece in rest:
            if piece.text in known:
                placed = known[piece.text].at(source, piece.start)
                pieces[piece.text] = placed
                declared.extend(placed.declarations)
        self._put(source.name, _Version(pieces, len(text)))
        if charter is None or not whole:
            return None
        # A declaration that begins on a line of the head is read with it.
        return replace(charter, declarations=(*charter.declarations, *declared))

    def forget(self) -> None:
        with self._lock:
            self._versions.clear()
            self._characters = 0

    def _put(self, name: str, version: _Version) -> None:
        with self._lock:
            old = self._versions.pop(name, None)
            self._characters += version.characters - (old.characters if old else 0)
            self._versions[name] = version
            while self._characters > self._bound:
                _, old = self._versions.popitem(last=False)
                self._characters -= old.characters


def _head(source: SourceText, piece: Piece) -> Charter | None:
    found: list[Diagnostic] = []
    try:
        charter = build(source, read_charter(piece.text), found)
    except UnexpectedInput:
        return None
    return None if found else charter


def _read_until_mistake(
    source: SourceText, pieces: Sequence[Piece], known: dict[str, _Known]
) -> bool:
    """Add to `known` the pieces it does not hold; False at the first that cannot be read."""
    for piece in pieces:
        if piece.text not in known:
            declarations = _declarations(source, piece)
            if declarations is None:
                return False
            known[piece.text] = _Known(source, piece.start, declarations)
    return True


def _declarations(source: SourceText, piece: Piece) -> tuple[Declaration, ...] | None:
    found: list[Diagnostic] = []
    try:
        made = build_declarations(source, read_piece(piece.text), piece.start, found)
    except UnexpectedInput:
        return None
    return None if found else made
