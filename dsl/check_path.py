"""Stage 3, the left side of a test: which facts a path, a key, `every` and `some` name."""

from dsl import tree
from dsl.codes import Code
from dsl.core import FactType
from dsl.diagnostics import Fix, Label, quoted
from dsl.found import Found, spelling
from dsl.scope import MapType, Scope
from dsl.source import Span
from dsl.vocabularies import choose


class PathChecker:
    """Looks up the facts of one charter; mistakes go to `found`."""

    def __init__(self, scope: Scope, found: Found) -> None:
        self._scope = scope
        self._found = found

    def fact(self, path: tree.Word) -> FactType | None:
        """The fact that a path alone names."""
        fact = self._scope.facts.get(path.text)
        if fact is not None:
            return fact
        if path.text in self._scope.maps:
            self._bare_map(path, self._scope.maps[path.text])
        elif path.text in self._scope.lists:
            self._list(path)
        else:
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._scope.attributes)
        return None

    def one(self, path: tree.Word, key: tree.Word) -> FactType | None:
        """The fact of one key of a map."""
        known = self._map(path, key.span, f"{quoted(path.text)} has no keys")
        return None if known is None else self._keyed(known, key)

    def all(self, path: tree.Word, quantifier: str, span: Span) -> tuple[FactType, ...] | None:
        """The facts of every key of a map."""
        first = Span(span.source, span.start, span.start + len(quantifier))
        known = self._map(
            path,
            first,
            f"`{quantifier}` goes over the keys of a map, and {quoted(path.text)} is none",
        )
        return None if known is None else tuple(known.facts.values())

    def _map(self, path: tree.Word, at: Span, message: str) -> MapType | None:
        known = self._scope.maps.get(path.text)
        if known is not None:
            return known
        if path.text in self._scope.facts:
            keyed = at.start > path.span.start
            # From the path to the bracket behind the key, or from `every` to the path.
            whole = Span(at.source, path.span.start if keyed else at.start, _closing(at))
            fix = Fix(whole, path.text) if keyed else None
            if not keyed:
                fix = Fix(Span(at.source, at.start, path.span.end), path.span.text)
            self._found.report(
                Code.MAP_KEY,
                message,
                at,
                f"write `{path.text}`",
                Label(path.span, "is one fact"),
                fix=fix,
            )
        elif path.text in self._scope.lists:
            self._list(path)
        else:
            self._found.unknown(Code.UNKNOWN_ATTRIBUTE, "attribute", path, self._scope.attributes)
        return None

    def _keyed(self, known: MapType, key: tree.Word) -> FactType | None:
        fact = known.facts.get(key.text)
        if fact is None:
            help_ = choose(known.keys, self._scope.charter.name.text)
            keys = known.keys
            self._found.unknown(Code.UNKNOWN_VALUE, keys.name, key, keys.values, help_=help_)
        return fact

    def _bare_map(self, path: tree.Word, known: MapType) -> None:
        first = spelling(next(iter(known.facts)))
        self._found.report(
            Code.MAP_KEY,
            f"{quoted(path.text)} has a value for each `{known.keys.name}`, and this names none",
            path.span,
            f"write `{path.text}[{first}]` for one, or `every {path.text}` or `some {path.text}`",
            fix=Fix(Span(path.span.source, path.span.start, path.span.start), "every "),
        )

    def _list(self, path: tree.Word) -> None:
        record = path.text.partition(".")[0]
        self._found.report(
            Code.LIST_AS_FACT,
            f"{quoted(path.text)} is a list, and no condition reads a list",
            path.span,
            f'derive a number from it, such as `derive {record}.… "…" as the number of '
            f"{path.text}`, and ask for that",
            note="only derived facts read lists, because engines cannot count alike",
        )


def _closing(key: Span) -> int:
    """The place behind the bracket that closes a key."""
    return key.source.text.find("]", key.end) + 1
