"""What went wrong, in one line that says what to do, and the exit code for it."""

import os
import sys
import traceback
from typing import cast

from dsl.errors import CompilationFailedError, DslError
from dsl.printable import printable
from dsl.source import Span
from gateway.cli import exit_codes
from gateway.errors import GatewayError, JsonError, RequestError


def explain(error: Exception) -> int:
    """Say it on standard error; returns the exit code."""
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
