"""`charter check`: what is wrong with charters."""

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime

from dsl.diagnostics import Diagnostic
from dsl.sarif import sarif_log
from gateway.cli import diagnose, exit_codes, output
from gateway.cli.charters import compile_paths, named
from gateway.cli.watch import Round, watch
from gateway.errors import ConfigurationError, GatewayError


def check(args: Namespace) -> int:
    """Say what is wrong with charters, or that nothing is."""
    if args.watch:
        return _watch(args)
    if args.format == "sarif":
        result = compile_paths(args.paths)
        sys.stdout.write(output.to_json(_sarif(result.diagnostics)))
        return exit_codes.POLICY_ERRORS if result.errors else exit_codes.OK
    result = diagnose.compiled(args)
    if result.errors:
        return diagnose.refuse(args, result)
    if args.format == "json":
        sys.stdout.write(output.to_json(diagnose.listed(result)))
    else:
        sys.stdout.write(f"OK: {diagnose.sound(result)}\n")
    return exit_codes.OK


def _sarif(found: tuple[Diagnostic, ...]) -> dict[str, object]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        known = version("charter-gateway")
    except PackageNotFoundError:  # run from a folder that nobody installed
        known = "0"
    return sarif_log(found, version=known, base=diagnose.folder_uri())


# --- --watch -------------------------------------------------------------------------


def _watch(args: Namespace) -> int:
    if args.format == "sarif":
        raise ConfigurationError("--watch writes one line a round, and SARIF is one log of one run")
    paths = named(args.paths)
    for path in paths:
        if not path.exists():
            # Later it may go and come again; a path that never was is a slip of the pen.
            raise ConfigurationError(f"{path}: cannot read it: No such file or directory")
    watch(paths, Round(_round(args), sys.stdout, clears=args.format == "human"))
    return exit_codes.OK


def _round(args: Namespace) -> Callable[[datetime], str]:
    def check_once(at: datetime) -> str:
        try:
            result = compile_paths(args.paths)
        except GatewayError as error:
            # A file may be gone or half written now, and whole in a moment.
            return _said(args, at, f"FAILED: {error}", {"ok": False, "error": str(error)})
        diagnose.show(result, args.format)
        outcome = (
            f"FAILED: {diagnose.mistakes(result)}"
            if result.errors
            else f"OK: {diagnose.sound(result)}"
        )
        return _said(args, at, outcome, diagnose.listed(result))

    return check_once


def _said(args: Namespace, at: datetime, outcome: str, told: dict[str, object]) -> str:
    if args.format == "json":
        return output.to_line({"at": at.isoformat(timespec="seconds"), **told})
    return f"{at:%H:%M:%S} {' '.join(outcome.split())}\n"
