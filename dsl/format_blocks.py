"""Concrete tree → elements: declarations, clauses and facts in the order of the text, with
the lines of each and the empty lines between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from lark.lexer import Token

from dsl.format_doc import WIDE, Align, Break, Concat, Doc, Group, Line, Text, printed
from dsl.format_docs import Docs
from dsl.format_read import Branch, Node, Read, first_token, spelled
from dsl.format_rows import rows

INDENT = 2


class Gap(Enum):
    """Empty lines above an element, and above the comments that stand above it."""

    NONE = "none"
    ONE = "one"
    KEPT = "kept"  # one where the author left some


@dataclass(frozen=True)
class Element:
    """What begins at `token` and takes whole lines; `block` is how deep it is nested."""

    token: Token
    lines: Sequence[Line]
    gap: Gap
    indent: int


# How far words of clauses reach, with the space behind them.
_HEADER, _PROFILE, _RULE, _EXCEPTION, _INVARIANT = 11, 10, 10, 8, 15
# Declarations of one kind without clauses may stand close together.
_SHORT = frozenset({"action", "enumeration", "levels", "obligation", "advice", "record_of_entity"})
_SHORT_TOO = frozenset({"derive", "zone"})
_ROWS = frozenset({"field", "term", "member"})
_OF_RULES = frozenset({"because", "remedy", "example", "exception"})


def elements(read: Read) -> list[Element]:
    """Everything in a charter, from top to bottom."""
    return list(_Blocks(read).charter(read.root))


class _Blocks:
    def __init__(self, read: Read) -> None:
        self._notes = read.notes
        self._docs = Docs(read, frozenset(_heads(read.root)))

    def charter(self, root: Branch) -> Iterator[Element]:
        header, *below = cast("list[Branch]", root.children)
        yield from self._header(header)
        previous: Branch = header
        names = self._name_widths(below)
        for node in below:
            gap = self._between(previous, node)
            yield from self._declaration(node, gap, names)
            previous = node

    def _between(self, previous: Branch, node: Branch) -> Gap:
        if node.data == "import_clause":
            commented = bool(self._notes[_start(node)].above)
            kept = commented or previous.data == "import_clause"
            return Gap.KEPT if kept else Gap.NONE
        short = previous.data == node.data and _short(previous) and _short(node)
        return Gap.KEPT if short else Gap.ONE

    def _name_widths(self, nodes: Sequence[Branch]) -> dict[int, int]:
        """How wide the name is in which action: one column in a run of them."""
        runs: list[list[Branch]] = [[]]
        for previous, node in zip([None, *nodes], nodes, strict=False):
            note = self._notes[_start(node)]
            close = previous is not None and previous.data == "action"
            if node.data != "action" or not close or note.above or note.blank:
                runs.append([])
            if node.data == "action":
                runs[-1].append(node)
        return {
            _start(node): max(len(str(other.children[1])) for other in run)
            for run in runs
            for node in run
        }

    # --- elements ---

    def _element(self, node: Node, doc: Doc, gap: Gap, indent: int, hang: int) -> Element:
        return Element(first_token(node), printed(doc, indent, hang), gap, indent)

    def _header(self, node: Branch) -> Iterator[Element]:
        heading, clauses = _parts(node)
        yield self._element(node, self._docs.run(heading), Gap.NONE, 0, INDENT)
        width = _HEADER if len(clauses) > 1 else 0
        laws = [len(str(clause.children[1])) for clause in clauses if clause.data == "law"]
        for clause in clauses:
            yield self._clause(clause, Gap.NONE, INDENT, width, max(laws, default=0))

    def _declaration(self, node: Branch, gap: Gap, names: dict[int, int]) -> Iterator[Element]:
        heading, clauses = _parts(node)
        name_width = names.get(_start(node), 0)
        doc = self._heading(node, heading, name_width)
        yield self._element(node, doc, gap, 0, INDENT)
        if node.data == "rule":
            yield from self._rule(clauses)
        elif clauses and clauses[0].data in _ROWS:
            listed = rows(self._docs, clauses)
            for number, (clause, lines) in enumerate(zip(clauses, listed, strict=True)):
                kept = Gap.KEPT if number else Gap.NONE
                yield Element(first_token(clause), lines, kept, INDENT)
        elif node.data == "assume":
            for number, clause in enumerate(clauses):
                yield self._part(clause, Gap.KEPT if number else Gap.NONE, INDENT)
        else:
            width = _PROFILE if node.data == "profile" else _INVARIANT
            for clause in clauses:
                yield self._clause(clause, Gap.NONE, INDENT, width)

    def _heading(self, node: Branch, heading: Sequence[Node], name_width: int) -> Doc:
        docs = self._docs
        match str(node.data):
            case "enumeration":
                return self._below(heading[:4], docs.list(heading[4:]))
            case "levels":
                return self._below(heading[:4], docs.ordered(heading[4:]))
            case "action":
                pad = name_width - len(str(heading[1]))
                space = Text(" " * (pad + 1))
                return Concat((docs.run(heading[:2]), space, docs.run(heading[2:])))
            case "obligation" | "advice":
                return self._below(heading[:2], docs.run(heading[2:]))
            case "record_of_entity" | "record_of_fields":
                at = next(n for n, child in enumerate(heading) if child in ("is", "from"))
                if node.data == "record_of_entity" and at > 2:
                    return Concat((docs.run(heading[:at]), Break(), docs.flow(heading[at:])))
                return self._below(heading[:at], docs.flow(heading[at:]))
            case "derive":
                at = next(n for n, child in enumerate(heading) if child == "as") + 1
                return self._below(heading[:at], self._derivation(heading[at:]))
            case "zone" if len(heading) > 3:
                return self._below(heading[:4], docs.region(cast("Branch", heading[4])))
            case _:
                return docs.run(heading)

    def _below(self, first: Sequence[Node], rest: Doc) -> Doc:
        """A heading on one line, or its second part in the next."""
        return Group(Concat((self._docs.run(first), Break(), rest)))

    def _derivation(self, nodes: Sequence[Node]) -> Doc:
        if len(nodes) == 1 and not isinstance(nodes[0], Token):
            return self._docs.flow(nodes[0].children)
        return self._docs.flow(nodes)

    # --- rules ---

    def _rule(self, clauses: Sequence[Branch]) -> Iterator[Element]:
        group = ("head", 0)
        for number, clause in enumerate(clauses):
            own = _group(clause, number, group)
            gap = Gap.ONE if number and own != group else Gap.NONE
            group = own
            if clause.data == "example":
                yield from self._example(clause, gap)
            elif clause.data == "exception":
                doc = self._docs.run(clause.children)
                yield self._element(clause, doc, gap, INDENT, 3 * INDENT)
            elif group[0] == "exception":
                width = self._exception_width(clauses, number)
                yield self._clause(clause, gap, 2 * INDENT, width)
            else:
                yield self._clause(clause, gap, INDENT, _RULE)

    def _exception_width(self, clauses: Sequence[Branch], number: int) -> int:
        """A wider column only where `in force` stands among the exception's clauses."""
        before = next(n for n in range(number, -1, -1) if clauses[n].data == "exception")
        after = (n for n in range(number, len(clauses)) if clauses[n].data in _OF_RULES)
        own = clauses[before : next(after, len(clauses))]
        return _RULE if any(clause.data == "in_force" for clause in own) else _EXCEPTION

    def _example(self, node: Branch, gap: Gap) -> Iterator[Element]:
        children = node.children
        heading = [child for child in children if not _is_part(child)]
        word, title, is_, outcome = heading
        docs = self._docs
        outcomes = docs.flow(cast("Branch", outcome).children, merged=True)
        inner = Concat((docs.node(title), Break(), docs.node(is_), Text(" "), Align(outcomes)))
        doc = Concat((docs.node(word), Text(" "), Align(Group(inner))))
        yield self._element(node, doc, gap, INDENT, 3 * INDENT)
        for child in children:
            if _is_part(child):
                yield self._part(cast("Branch", child), Gap.NONE, 2 * INDENT)

    def _part(self, node: Branch, gap: Gap, indent: int) -> Element:
        """One line of an example: a fact, a day or an action."""
        docs = self._docs
        parts = node.children
        doc = Concat((docs.run(parts[:-1]), Text(" "), Align(docs.run(parts[-1:]))))
        return self._element(node, doc, gap, indent, indent + 2 * INDENT)

    # --- clauses ---

    def _clause(
        self, node: Branch, gap: Gap, indent: int, width: int, law_width: int = 0
    ) -> Element:
        """A word, padded to `width`, and what it says; `width` 0 pads nothing."""
        children = node.children
        docs = self._docs
        word = docs.node(children[0])
        text = spelled(cast("Token", children[0]))
        body: Doc
        match str(node.data):
            case "when" | "require" | "never_permits":
                body = docs.condition(children[1:])
            case "because" | "remedy":
                body = self._prose(children[1:])
            case "law":
                body = self._law(children[1:], law_width)
            case "charters" | "tenants":
                body = docs.list(children[1:])
            case "level":
                _, level = text.split()
                return self._level(node, gap, indent, width, level)
            case _:
                body = docs.flow(children[1:]) if len(children) > 1 else Text("")
        hang = indent + max(width, len(text) + 1)
        space = Text(" " * max(1, width - len(text)))
        doc = Concat((word, space, Align(body))) if len(children) > 1 else word
        return self._element(node, doc, gap, indent, hang)

    def _level(self, node: Branch, gap: Gap, indent: int, width: int, level: str) -> Element:
        comment = self._docs.comment_after(node)
        line = Line(f"{' ' * indent}{'level'.ljust(width)}{level}", comment)
        return Element(first_token(node), [line], gap, indent)

    def _prose(self, strings: Sequence[Node]) -> Doc:
        """Texts one below the other, as the author divided them."""
        parts: list[Doc] = []
        for string in strings:
            parts += [Break(), self._docs.node(string)]
        # Outside of any group every break is a line end.
        return Concat(tuple(parts[1:]))

    def _law(self, nodes: Sequence[Node], width: int) -> Doc:
        name, title, *rest = nodes
        pad = Text(" " * (width - len(str(name)) + 1))
        parts: list[Doc] = [self._docs.node(name), pad, self._docs.node(title)]
        for part in rest:
            parts += [Break(), self._docs.node(part)]
        return Group(Concat(tuple(parts)), WIDE)


def _heads(root: Branch) -> Iterator[int]:
    """Where elements begin: the comments above them are written with their empty lines."""
    for node in cast("list[Branch]", root.children):
        yield _start(node)
        for clause in _parts(node)[1]:
            yield _start(clause)
            yield from (_start(part) for part in clause.children if _is_part(part))


def _start(node: Node) -> int:
    return first_token(node).start_pos or 0


def _short(node: Branch) -> bool:
    _, clauses = _parts(node)
    return not clauses and str(node.data) in _SHORT | _SHORT_TOO


_CLAUSES = {
    "header": {"title", "law", "time_zone", "as_of"},
    "taxonomy": {"term"},
    "structure": {"field"},
    "entity": {"field"},
    "record_of_fields": {"field"},
    "obligation": {"field"},
    "advice": {"field"},
    "zone": {"member"},
    "profile": {"charters", "tenants", "permitted_actions", "when"},
    "invariant": {"cites", "on", "never_permits"},
    "assume": {"fact"},
}


def _parts(node: Branch) -> tuple[list[Node], list[Branch]]:
    """The heading of a declaration, and its clauses."""
    children = node.children
    if node.data == "rule":
        return children[:3], cast("list[Branch]", children[3:])
    known = _CLAUSES.get(str(node.data), set())
    clauses = [c for c in children if not isinstance(c, Token) and str(c.data) in known]
    return [child for child in children if child not in clauses], clauses


def _group(clause: Branch, number: int, group: tuple[str, int]) -> tuple[str, int]:
    """Which paragraph of a rule a clause is in; a new exception or example begins one."""
    match str(clause.data):
        case "example" | "exception":
            return (str(clause.data), number)
        case "because" | "remedy":
            return ("reason", 0)
        case _:
            return group if group[0] == "exception" else ("head", 0)


def _is_part(node: Node) -> bool:
    return not isinstance(node, Token) and str(node.data) in ("fact", "as_of", "doing")
