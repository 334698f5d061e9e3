"""What the parser needs to know of a command."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from gateway.cli import exit_codes


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: As it is written on the command line.
        words: What it does, in a few words, lower case and without a full stop.
        arguments: Adds its arguments to a parser.
        run: Runs it; returns the exit code. It imports what it needs when it is called, so
            that no command pays for another.
        details: Paragraphs for its help, after the options; lines of at most 88 characters.
        mistake: Its exit code for a mistake on the command line.
    """

    name: str
    words: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    details: str = ""
    mistake: int = exit_codes.FAILED
