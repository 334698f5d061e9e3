"""Runs one command.

Answers go to standard output, everything else to standard error; an error is one line
that says what to do. Exit codes are in `gateway.cli.exit_codes`.
"""

import io
import os
import sys
from collections.abc import Sequence
from typing import cast

from gateway.cli import exit_codes
from gateway.cli.failures import explain
from gateway.cli.parser import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    stdout = cast("object", sys.stdout)
    if isinstance(stdout, io.TextIOWrapper):
        # A terminal that cannot show a character gets its number, not a failure.
        stdout.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if argv is None else argv
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return exit_codes.OK
    args, others = parser.parse_known_args(arguments)
    if others:
        args.parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except KeyboardInterrupt:
        return exit_codes.FAILED
    except Exception as error:
        return explain(error)
    return code
