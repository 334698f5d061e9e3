"""Text that others wrote, made safe to show on a terminal."""


def printable(text: str) -> str:
    """The text without what would move the cursor, hide text or break an encoder."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _stand_in(char) for char in text)


def _stand_in(char: str) -> str:
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
