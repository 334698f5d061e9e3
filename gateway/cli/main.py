"""Runs one command.

Answers go to standard output, everything else to standard error; an error is one line
that says what to do. Exit codes are in `gateway.cli.exit_codes`.
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import cast

from dsl.errors import CompilationFailedError, DslError
from dsl.printable import printable
from dsl.source import Span
from gateway.cli import exit_codes
from gateway.cli.parser import build_parser
from gateway.errors import GatewayError, JsonError, RequestError


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
    args = parser.parse_args(arguments)
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
        return _explain(error)
    return code


def _explain(error: Exception) -> int:
    if isinstance(error, CompilationFailedError):
        from dsl.diagnostics import render_human

        sys.stderr.write(render_human(error.diagnostics) + "\n")
        return exit_codes.POLICY_ERRORS
    if isinstance(error, (RequestError, JsonError)):
        _line(f"{error.pointer}: {error.detail}" if error.pointer else error.detail)
    elif isinstance(error, (GatewayError, DslError)):
        span = cast("Span | None", getattr(error, "span", None))
        where = f"{span.source.shown}:{span.position[0]}: " if span else ""
        _line(f"{where}{error}")
    else:
        _line(f"this is a fault of Charter, not yours: {type(error).__name__}: {error}")
        if "CHARTER_TRACE" in os.environ:
            traceback.print_exception(error)
        else:
            _line("set CHARTER_TRACE=1 to see where it happened, and report it")
    return exit_codes.FAILED


def _line(text: str) -> None:
    sys.stderr.write(f"charter: {printable(' '.join(text.split()))}\n")
