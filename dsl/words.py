"""The words of the language, and what people write instead of them."""

# Every keyword of the grammar; tests/dsl/test_grammar.py compares the two.
KEYWORDS = (
    "charter title law celex url import action enumeration levels taxonomy term under structure "
    "entity record field set number to derive as where else plus minus whether zone member cites "
    "from until obligation advice profile charters tenants invariant assume rule on when require "
    "permit forbid prefer oblige advise within except because remedy example is permitted with by "
    "advised denied undetermined preferred for and or not in has touches before after every some "
    "today unknown yes no art annex chapter section recital point criterion of at"
).split()

# Those that may name a value or a field as well.
SOFT = frozenset(
    "levels structure advice profile charters tenants preferred advised to where else plus minus "
    "every some before after".split()
)

DECLARATIONS = (
    "action enumeration levels taxonomy structure entity record derive zone obligation advice "
    "profile invariant assume rule"
).split()

# Phrases are one token each; here with the terminal.
PHRASES = {
    "in force": "IN_FORCE",
    "time zone": "TIME_ZONE",
    "as of": "AS_OF",
    "or none": "OR_NONE",
    "yes or no": "YES_OR_NO",
    "or negative": "OR_NEGATIVE",
    "list of": "LIST_OF",
    "map of": "MAP_OF",
    "has a deadline": "HAS_A_DEADLINE",
    "never permits": "NEVER_PERMITS",
    "the sum of": "THE_SUM_OF",
    "the largest": "THE_LARGEST",
    "the smallest": "THE_SMALLEST",
    "the number of": "THE_NUMBER_OF",
    "the days from": "THE_DAYS_FROM",
    "is not": "IS_NOT",
    "is known": "IS_KNOWN",
    "is not known": "IS_NOT_KNOWN",
    "at least": "AT_LEAST",
    "at most": "AT_MOST",
    "more than": "MORE_THAN",
    "less than": "LESS_THAN",
    "on or before": "ON_OR_BEFORE",
    "on or after": "ON_OR_AFTER",
    "within the last": "WITHIN_THE_LAST",
    "within the next": "WITHIN_THE_NEXT",
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
    "PLUS_SIGN": "`+`",
    "MINUS_SIGN": "`-`",
    "LESSTHAN": "`<`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "DECIMAL": "a number with decimals",
    "LEVEL": "`level warn`",
    "WITH_DECIMALS": "`with 2 decimals`",
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
    "array": "set",
    "null": "unknown",
    "none": "unknown",
    "true": "yes",
    "false": "no",
    "timezone": "time zone",
    "ladder": "levels",
    "struct": "structure",
    "score": "prefer",
    "recommend": "advise",
    "suggest": "advise",
    "bonus": "prefer",
    "tenant": "tenants",
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
    "charters": "a profile",
    "tenants": "a profile",
    "where": "`derive`, after a list",
    "else": "`the largest` and `the smallest` in `derive`",
    "never permits": "an invariant",
    "has a deadline": "an obligation",
    "by": "an example",
    "advised": "an example that is permitted",
    "law": "the head of the charter",
    "time zone": "the head of the charter",
    "as of": "the head of the charter, or to an example",
    "import": "the place between the head and the first declaration",
    "charter": "the first line of a file",
    "term": "a taxonomy",
    "under": "a term of a taxonomy",
    "field": "an entity, a structure, a record, an obligation or advice",
    "member": "a zone",
    "celex": "a law or a member of a zone",
    "url": "a law",
    "with": "a duty, or to an example that is permitted",
    "from": "`in force`, or to a member of a zone",
    "until": "`in force`, or to a member of a zone",
    **dict.fromkeys(
        "cites on when require permit forbid prefer oblige advise except because remedy "
        "example".split(),
        "a rule",
    ),
    "in force": "a rule",
}
