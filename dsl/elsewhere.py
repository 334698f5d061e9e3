"""Names that a charter cannot see because it does not import the charter that declares them."""

from collections.abc import Iterable, Sequence

from dsl.diagnostics import Diagnostic, Fix, Label, quoted
from dsl.source import Span
from dsl.tree import Charter, Word

# A vocabulary is declared, and a type is what a field calls it.
_DECLARED_AS = {"type": "vocabulary", "advice": "obligation"}


class Elsewhere:
    """Which charter declares a name, and how another comes to see it."""

    def __init__(self, charters: Sequence[Charter]) -> None:
        self._charters = {charter.source.name: charter for charter in charters}
        self._imports = {c.name.text: {word.text for word in c.imports} for c in charters}
        self._owners: dict[tuple[str, str], str] = {}

    def declare(self, what: str, names: Iterable[str], charter: str) -> None:
        for name in names:
            self._owners.setdefault((what, name), charter)

    def owner(self, what: str, word: Word) -> str | None:
        """The charter that declares exactly this name, if `word` stands in one that could
        import it and does not."""
        charter = self._charters.get(word.span.source.name)
        owner = self._owners.get((_DECLARED_AS.get(what, what), word.text))
        if charter is None or owner is None:
            return None
        own = charter.name.text
        return None if owner == own or self._reaches(owner, own) else owner

    def _reaches(self, start: str, goal: str) -> bool:
        """Whether one charter imports another, directly or not: then it cannot be imported."""
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            name = ahead.pop()
            if name == goal:
                return True
            if name not in seen:
                seen.add(name)
                ahead.extend(self._imports.get(name, ()))
        return False

    def forgotten(self, code: str, what: str, word: Word, owner: str) -> Diagnostic:
        """`word` is declared in `owner`, and the import is missing."""
        return Diagnostic(
            code,
            f"there is no {what} {quoted(word.text)} here; {owner} declares it",
            (Label(word.span),),
            help=f"write `import {owner}` at the end of the head",
            fix=self.import_of(owner, word),
        )

    def import_of(self, owner: str, word: Word) -> Fix | None:
        """The edit that imports `owner` into the charter in which `word` stands."""
        charter = self._charters.get(word.span.source.name)
        if charter is None or self._reaches(owner, charter.name.text):
            return None
        end = max(span.end for span in _head(charter))
        return Fix(Span(charter.source, end, end), f"\nimport {owner}")


def _head(charter: Charter) -> Iterable[Span]:
    """Where the parts of the head stand."""
    yield charter.name.span
    words = [charter.title, charter.time_zone, *charter.imports]
    for law in charter.laws:
        words += [law.title, law.celex, law.url]
    yield from (word.span for word in words if word is not None)
    if charter.as_of is not None:
        yield charter.as_of.span
