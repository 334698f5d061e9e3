"""How the mistakes of charters are shown, whichever command meets them."""

import sys
from argparse import Namespace
from pathlib import Path

from dsl.compile import Compiled
from dsl.diagnostics import render_human, render_plain, to_json
from gateway import bundle
from gateway.cli import exit_codes, output
from gateway.cli.charters import compile_paths


def compiled(args: Namespace) -> Compiled:
    """The charters of `args.paths`; their mistakes go to standard error."""
    result = compile_paths(args.paths)
    show(result, args.format)
    return result


def show(result: Compiled, style: str) -> None:
    if result.diagnostics and style == "human":
        sys.stderr.write(render_human(result.diagnostics) + "\n")
    elif result.diagnostics and style == "plain":
        sys.stderr.write(render_plain(result.diagnostics))


def refuse(args: Namespace, result: Compiled) -> int:
    """The last word on charters with errors, and the exit code."""
    if args.format == "json":
        sys.stdout.write(output.to_json(listed(result)))
    else:
        sys.stderr.write(f"{mistakes(result)}\n")
    return exit_codes.POLICY_ERRORS


def listed(result: Compiled) -> dict[str, object]:
    return {
        "ok": not result.errors,
        "diagnostics": [to_json(diagnostic) for diagnostic in result.diagnostics],
    }


def mistakes(result: Compiled) -> str:
    """How many errors there are, such as `1 error in 1 file`."""
    files = len({diagnostic.span.source.name for diagnostic in result.errors})
    return f"{many(len(result.errors), 'error')} in {many(files, 'file')}"


def sound(result: Compiled) -> str:
    """What was checked and found sound, such as `3 files, 5 rules, 10 examples`."""
    model, program = result.require()
    imported = sum(source.name.startswith(bundle.FROM_PACK) for source in result.sources)
    files = many(len(result.sources) - imported, "file")
    beside = f" (with {many(imported, 'charter')} of the installed pack)" if imported else ""
    examples = sum(len(rule.examples) for rule in model.rules)
    warnings = len(result.diagnostics) - len(result.errors)
    told = f", {many(warnings, 'warning')}" if warnings else ""
    return f"{files}{beside}, {many(len(program.rules), 'rule')}, {many(examples, 'example')}{told}"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def folder_uri() -> str:
    """The folder in which the command runs, as the base of the places it names."""
    return Path.cwd().as_uri() + "/"
