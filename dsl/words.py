"""The words of the language, and what people write instead of them."""

# Every keyword of the grammar; tests/dsl/test_grammar.py compares the two.
KEYWORDS = (
    "charter title law celex url import action enumeration taxonomy term under entity record "
    "field set number zone member cites from until obligation rule on when require permit "
    "forbid oblige within except because remedy example is permitted with denied undetermined "
    "for and or not in has touches unknown yes no art annex chapter section recital point "
    "criterion of at"
).split()

# Phrases are one token each; here with the terminal.
PHRASES = {
    "in force": "IN_FORCE",
    "time zone": "TIME_ZONE",
    "as of": "AS_OF",
    "or none": "OR_NONE",
    "yes or no": "YES_OR_NO",
    "is not": "IS_NOT",
    "at least": "AT_LEAST",
    "at most": "AT_MOST",
    "more than": "MORE_THAN",
    "less than": "LESS_THAN",
}

TOKEN_NAMES = {
    "NAME": "a name",
    "UPPER": "a name in capitals",
    "DOTTED": "an attribute such as `data.labels`",
    "STRING": "a text in quotes",
    "DATE": "a date such as `2026-11-22`",
    "CELEX_NUMBER": "a CELEX number such as `32016R0679`",
    "INTEGER": "a number",
    "QUANTITY": "a number with a unit, such as `30 days`",
    "LOCATOR": "a place in the law, such as `46(2)(c)`",
    "ENTITY_NAME": "a catalogue name such as `aws/eu-west-1`",
    "TZ": "a time zone such as `Europe/Brussels`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "PLUS": "`+`",
    **{terminal: f"`{phrase}`" for phrase, terminal in PHRASES.items()},
    "$END": "the end of the file",
}

# Signs that people bring from elsewhere, and how it is said here.
SIGNS = {
    "==": "=",
    "===": "=",
    ":=": "=",
    "!=": "is not",
    "<>": "is not",
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "!": "not",
    ">=": "at least",
    "=>": "at least",
    ">": "more than",
    "<=": "at most",
    "=<": "at most",
    "<": "less than",
    "//": "#",
    "--": "#",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2007": " ",
    "\u200b": "",
    "\ufeff": "",
    "\u00ad": "",
    ";": "",
    "≥": "at least",
    "≤": "at most",
    "≠": "is not",
    "∧": "and",
    "∨": "or",  # noqa: RUF001
    "¬": "not",
    "∈": "in",
    "⊆": "within",
    "–": "-",  # noqa: RUF001
    "—": "-",
    "‑": "-",  # noqa: RUF001
}

# Words; a replacement counts where the parser would take it.
WORDS = {
    "if": "when",
    "where": "when",
    "deny": "forbid",
    "prohibit": "forbid",
    "allow": "permit",
    "must": "require",
    "requires": "require",
    "forbids": "forbid",
    "permits": "permit",
    "obliges": "oblige",
    "cite": "cites",
    "enum": "enumeration",
    "type": "enumeration",
    "subset": "within",
    "contains": "has",
    "contain": "has",
    "includes": "has",
    "intersects": "touches",
    "overlaps": "touches",
    "equals": "=",
    "is": "=",
    "in": "within",
    "article": "art",
    "articles": "art",
    "arts": "art",
    "recitals": "recital",
    "till": "until",
    "to": "until",
    "since": "from",
    "between": "from",
    "forbidden": "denied",
    "refused": "denied",
    "allowed": "permitted",
    "unclear": "undetermined",
    "indeterminate": "undetermined",
    "int": "number",
    "integer": "number",
    "bool": "yes or no",
    "boolean": "yes or no",
    "list": "set",
    "null": "unknown",
    "none": "unknown",
    "true": "yes",
    "false": "no",
    "timezone": "time zone",
}

# Two words for a phrase.
TWO_WORDS = {
    "is in": "in",
    "is within": "within",
    "is at": "at",
    "greater than": "more than",
    "larger than": "more than",
    "fewer than": "less than",
    "smaller than": "less than",
    "no more": "at most",
    "no less": "at least",
}

# Clauses that belong somewhere, for one that stands elsewhere.
OWNERS = {
    "title": "the head of the charter",
    "law": "the head of the charter",
    "time zone": "the head of the charter",
    "as of": "the head of the charter, or to an example",
    "import": "the place between the head and the first declaration",
    "charter": "the first line of a file",
    "term": "a taxonomy",
    "under": "a term of a taxonomy",
    "field": "an entity or a record",
    "member": "a zone",
    "celex": "a law or a member of a zone",
    "url": "a law",
    "with": "an example that is permitted",
    "from": "`in force`, or to a member of a zone",
    "until": "`in force`, or to a member of a zone",
    **dict.fromkeys(
        "cites on when require permit forbid oblige except because remedy example".split(),
        "a rule",
    ),
    "in force": "a rule",
}
