"""Concrete tree → documents: where conditions, lists and clauses may be broken.

Knows the grammar's rule names and nothing of meaning. What it does not know is written
with single spaces, so a new construct is laid out plainly and never lost.
"""

from collections.abc import Container, Sequence

from lark.lexer import Token

from dsl.format_doc import Above, Align, Beside, Break, Concat, Doc, Fill, Group, Text
from dsl.format_read import Branch, Node, Read, first_token, last_token, spelled

# A condition of several parts on one line is read at a glance up to here.
GLANCE = 70

_OPENS = frozenset("([{")
_CLOSES = frozenset(")]},")
_JOINS = frozenset({"conjunction", "disjunction"})
# Parts of clauses that begin a new line where one is not enough.
_PARTS = frozenset({"where", "otherwise", "due", "by", "with_duties", "advised", "on"})


class Docs:
    """Writes nodes of one file as documents."""

    def __init__(self, read: Read, heads: Container[int]) -> None:
        """`heads` are the places of tokens whose comments above are written elsewhere."""
        self._notes = read.notes
        self._heads = heads

    def token(self, token: Token) -> Doc:
        start = token.start_pos or 0
        note = self._notes[start]
        parts: list[Doc] = []
        if note.above and start not in self._heads:
            parts.append(Above(tuple(comment.text for comment in note.above)))
        parts.append(Text(spelled(token)))
        if note.beside is not None:
            parts.append(Beside(note.beside))
        return Concat(tuple(parts)) if len(parts) > 1 else parts[0]

    def comment_after(self, node: Node) -> str:
        """The comment at the end of the line in which a node ends, or nothing."""
        return self._notes[last_token(node).start_pos or 0].beside or ""

    def node(self, node: Node) -> Doc:
        if isinstance(node, Token):
            return self.token(node)
        children = node.children
        match str(node.data):
            case "conjunction" | "disjunction":
                return self._joined(children)
            case "value_set":
                return self._set(children)
            case "region":
                return Align(self.region(node))
            case "negative":
                return Concat(tuple(self.node(child) for child in children))
            case _:
                return self.run(children)

    def run(self, nodes: Sequence[Node]) -> Doc:
        """Nodes beside each other: brackets hold on to what is in them, and a list or a
        long clause goes on in the next line."""
        parts: list[Doc] = []
        for number, node in enumerate(nodes):
            if number and _spaced(last_token(nodes[number - 1]), first_token(node)):
                parts.append(Text(" "))
            parts.append(self.node(node))
        return _concat(parts)

    # --- conditions ---

    def condition(self, nodes: Sequence[Node]) -> Doc:
        """The condition of a clause, brackets and all."""
        if len(nodes) == 1 and not isinstance(nodes[0], Token) and nodes[0].data in _JOINS:
            return Align(self._joined(nodes[0].children, limit=GLANCE))
        return Align(self._operand(nodes))

    def _joined(self, children: Sequence[Node], limit: int | None = None) -> Doc:
        parts: list[Doc] = []
        operand: list[Node] = []
        for child in children:
            if isinstance(child, Token) and child in ("and", "or"):
                parts += [self._operand(operand), Break(), self.token(child), Text(" ")]
                operand = []
            else:
                operand.append(child)
        inner = _concat([*parts, self._operand(operand)])
        return Group(inner) if limit is None else Group(inner, limit)

    def _operand(self, nodes: Sequence[Node]) -> Doc:
        """One operand: a test, a negation, or something in brackets."""
        if len(nodes) == 1:
            node = nodes[0]
            if not isinstance(node, Token) and node.data == "negation":
                first, *rest = node.children
                return _concat([self.node(first), Text(" "), self._operand(rest)])
            return self.node(node)
        if nodes and nodes[0] == "(" and nodes[-1] == ")":
            inner = Align(self._operand(nodes[1:-1]))
            return _concat([self.node(nodes[0]), inner, self.node(nodes[-1])])
        return self.run(nodes)

    def region(self, node: Branch) -> Fill:
        """Zones and sets; each further one may begin a line."""
        items: list[Doc] = []
        sign: Node | None = None
        for child in node.children:
            if isinstance(child, Token):
                sign = child
            elif sign is not None:
                items.append(_concat([self.node(sign), Text(" "), self.node(child)]))
                sign = None
            else:
                items.append(self.node(child))
        return Fill(tuple(items))

    def _set(self, children: Sequence[Node]) -> Doc:
        opening, *values, closing = children
        parts = [self.node(opening)]
        if values:
            parts.append(Align(Fill(self.items(values))))
        return _concat([*parts, self.node(closing)])

    # --- lists ---

    def items(self, nodes: Sequence[Node]) -> tuple[Doc, ...]:
        """The items of a list, each with the comma behind it."""
        return tuple(_concat([self.node(part) for part in item]) for item in split(nodes))

    def list(self, nodes: Sequence[Node]) -> Fill:
        """A list whose author may have made groups of its items, one a line."""
        groups = split(nodes)
        begun = (self._notes[first_token(group[0]).start_pos or 0].first for group in groups)
        kept = frozenset(number for number, first in enumerate(begun) if first and number)
        return Fill(self.items(nodes), kept)

    def ordered(self, nodes: Sequence[Node]) -> Fill:
        """Levels: `A < B < C`, broken before a sign."""
        items: list[Doc] = []
        sign: Node | None = None
        for node in nodes:
            if isinstance(node, Token) and node == "<":
                sign = node
                continue
            value = self.node(node)
            items.append(value if sign is None else _concat([self.node(sign), Text(" "), value]))
        return Fill(tuple(items))

    def flow(self, nodes: Sequence[Node], *, merged: bool = False) -> Doc:
        """A clause of several parts, each on a line of its own where one line is not enough;
        the second beside the first where `merged`."""
        parts = [self._part(part) for part in _parts(nodes)]
        if merged and len(parts) > 1:
            parts[:2] = [_concat([parts[0], Text(" "), parts[1]])]
        spaced = [doc for part in parts for doc in (Break(), part)]
        return Group(_concat(spaced[1:]))

    def _part(self, nodes: Sequence[Node]) -> Doc:
        """A part: a word and its list, or what follows on each other."""
        if not _begins_part(nodes[0]):
            return self._listed(nodes)
        inner = nodes
        if not isinstance(nodes[0], Token):
            inner = nodes[0].children
            if nodes[0].data == "where":
                operand = Align(self._operand(inner[1:]))
                return _concat([self.node(inner[0]), Text(" "), operand])
        return _concat([self.node(inner[0]), Text(" "), Align(self._listed(inner[1:]))])

    def _listed(self, nodes: Sequence[Node]) -> Doc:
        commas = any(isinstance(node, Token) and node == "," for node in nodes)
        return Fill(self.items(nodes)) if commas else self.run(nodes)


def _parts(nodes: Sequence[Node]) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for node in nodes:
        if parts[-1] and _begins_part(node):
            parts.append([])
        parts[-1].append(node)
    return parts


def _begins_part(node: Node) -> bool:
    if isinstance(node, Token):
        return node == "with"
    return str(node.data) in _PARTS


def split(nodes: Sequence[Node]) -> list[list[Node]]:
    """The items of a list, each with the comma behind it."""
    items: list[list[Node]] = [[]]
    for node in nodes:
        items[-1].append(node)
        if isinstance(node, Token) and node == ",":
            items.append([])
    return [item for item in items if item]


def _spaced(before: Token, after: Token) -> bool:
    if before.type == "STRING" or after.type == "STRING":
        return str(before) not in _OPENS and str(after) not in _CLOSES
    return str(before) not in _OPENS and str(after) not in _CLOSES and str(after) != "["


def _concat(parts: Sequence[Doc]) -> Doc:
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))
