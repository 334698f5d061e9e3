"""Text → Lark's parse tree, by the grammar of charters."""

from functools import cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark

from dsl.tree_reader import Branch

_CHARTER = "start"
_PIECE = "piece"


@cache
def _grammar() -> Lark:
    text = (files("dsl") / "grammar.lark").read_text(encoding="utf-8")
    # The basic lexer reserves every keyword everywhere: a word means one thing.
    return Lark(
        text, parser="lalr", lexer="basic", start=[_CHARTER, _PIECE], propagate_positions=True
    )


def read_charter(text: str) -> Branch:
    """The parse tree of a whole charter, or of its head.

    Raises:
        lark.exceptions.UnexpectedInput: It is none.
    """
    return cast("Any", _grammar()).parse(text, start=_CHARTER)


def read_piece(text: str) -> Branch:
    """The parse tree of one or several declarations.

    Raises:
        lark.exceptions.UnexpectedInput: It is anything else.
    """
    return cast("Any", _grammar()).parse(text, start=_PIECE)
