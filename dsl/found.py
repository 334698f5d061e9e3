"""Mistakes as they are found: every independent one, and none that another explains."""

from collections.abc import Iterable, Sequence

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Fix, Label, Severity, quoted
from dsl.elsewhere import Elsewhere
from dsl.near import nearest
from dsl.source import Span
from dsl.tree import Charter, Word

# Beyond these a file has one cause that nobody mends line by line.
MAX_SUGGESTIONS = 100
MAX_DIAGNOSTICS = 500


class Found:
    """Collects diagnostics. `errors` counts all errors, also those that are not shown
    because another explains them or because there are too many."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.errors = 0
        self._doubtful: set[str] = set()
        self._blind: set[str] = set()
        self._doubtful_in: set[tuple[str, str]] = set()
        self._elsewhere = Elsewhere(())
        self._warned: set[tuple[str, str]] = set()

    def first_time(self, code: str, what: str) -> bool:
        """Whether this is asked the first time: for what is warned of once, not wherever it
        stands."""
        new = (code, what) not in self._warned
        self._warned.add((code, what))
        return new

    def know(self, charters: Sequence[Charter]) -> None:
        """From now on an unknown name may be one that another of these charters declares."""
        self._elsewhere = Elsewhere(charters)

    def declare(self, what: str, names: Iterable[str], charter: str) -> None:
        """`charter` declares these names."""
        self._elsewhere.declare(what, names, charter)

    def import_of(self, charter: str, word: Word) -> Fix | None:
        """The edit that imports `charter` where `word` stands, if that makes no circle."""
        return self._elsewhere.import_of(charter, word)

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity is Severity.ERROR:
            self.errors += 1
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append(diagnostic)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        help_: str,
        *labels: Label,
        note: str | None = None,
        fix: Fix | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Add a diagnostic that points to `span` and, besides, to `labels`."""
        notes = (note,) if note else ()
        self.add(Diagnostic(code, message, (Label(span), *labels), notes, help_, fix, severity))

    def twice(self, what: str, words: Sequence[Word], *, verb: str = "declared") -> None:
        """Report every word that repeats an earlier one."""
        seen: dict[str, Word] = {}
        for word in words:
            if word.text in seen:
                self.repeats(what, word, seen[word.text], verb=verb)
            seen.setdefault(word.text, word)

    def repeats(self, what: str, word: Word, earlier: Word, *, verb: str = "declared") -> None:
        self.report(
            Code.DECLARED_TWICE,
            f"the {what} {quoted(word.text)} is {verb} twice",
            word.span,
            "rename one of them, or remove it" if verb == "declared" else "remove one of them",
            Label(earlier.span, f"first {verb} here"),
        )

    # --- names ---

    def doubt(self, name: str) -> None:
        """From now on nobody is told that `name` is unknown: its declaration is there, with
        a mistake that has been reported."""
        self._doubtful.add(name)

    def blind(self, source: str) -> None:
        """The same for every name in one file: it imports what cannot be read."""
        self._blind.add(source)

    def doubt_in(self, source: str, name: str) -> None:
        """The same for `name`, and for the values of a vocabulary of that name, in one file:
        it declares again what is declared elsewhere."""
        self._doubtful_in.add((source, name))

    def unknown(
        self, code: str, what: str, word: Word, known: Iterable[str], *, help_: str | None = None
    ) -> None:
        """`word` names nothing, unless another mistake explains why. `help_` is for where no
        known name is near."""
        if self._explained(word, what):
            return
        owner = self._elsewhere.owner(what, word)
        if owner is not None:
            self.add(self._elsewhere.forgotten(code, what, word, owner))
            return
        guess = nearest(word.text, known) if self.errors < MAX_SUGGESTIONS else None
        self.add(unknown(code, what, word, guess, help_=help_))

    def unknown_elements(self, zone: Word, first: Word) -> None:
        """No vocabulary in sight holds a member of a zone."""
        if self._explained(first) or self._doubtful or self._doubtful_in:
            # An enumeration with a mistake may be the one that holds them.
            return
        self.report(
            Code.ZONE_ELEMENTS,
            f"no enumeration in sight has the members of the zone {quoted(zone.text)}",
            zone.span,
            "import the charter that declares their enumeration",
            Label(first.span, "such as this one"),
        )

    def _explained(self, word: Word, what: str = "") -> bool:
        source = word.span.source.name
        names = (word.text, word.text.partition(".")[0])
        explained = source in self._blind or not self._doubtful.isdisjoint(names)
        explained = explained or any((source, name) in self._doubtful_in for name in (*names, what))
        if explained:
            self.errors += 1
        return explained


def unknown(
    code: str, what: str, word: Word, guess: str | None, *, help_: str | None = None
) -> Diagnostic:
    """`word` names nothing; the help offers the nearest known name, else it is `help_`."""
    return Diagnostic(
        code,
        f"there is no {what} {quoted(word.text)}",
        (Label(word.span),),
        help=f"write `{guess}`" if guess else help_ or _declare(code, what),
        fix=Fix(word.span, spelling(guess)) if guess else None,
    )


def _declare(code: str, what: str) -> str:
    if code == Code.UNKNOWN_VALUE:
        return f"choose one of the declared values of {what}"
    if code in (Code.UNIT_MISMATCH, Code.UNKNOWN_ORIGIN):
        return f"{what}s are a closed list; docs/language.md has it"
    if code == Code.UNKNOWN_IMPORT:
        return "write the name of a charter, or give its file as well"
    if code == Code.UNKNOWN_LAW:
        return "declare it with `law` in the head of this charter"
    return f"declare the {what}, or import the charter that does"


def spelling(name: str) -> str:
    """How a known name is written in a charter."""
    # Only values can be other than plain words, and those are written in quotes.
    return (
        name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() else f'"{name}"'
    )
