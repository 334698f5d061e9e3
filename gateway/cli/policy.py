"""`charter check`, `charter compile`, `charter test`: for those who write charters."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from dsl.compile import Compiled
from dsl.diagnostics import render_human, render_plain, to_json
from dsl.evaluate import Answer
from dsl.examples import Case, cases, failure
from gateway import bundle
from gateway.cli import exit_codes, output
from gateway.cli.assemble import fixtures, policies
from gateway.cli.files import write_file
from gateway.errors import ConfigurationError, EngineError
from gateway.pdp.engine import Engine
from gateway.pdp.engines import NAMES, make_engines

# An OPA server holds one bundle; examples need another for each charter.
_WITHOUT_SERVER = tuple(name for name in NAMES if name != "opa")


def compiled(args: Namespace) -> Compiled:
    """The charters named on the command line; their mistakes go to standard error."""
    result = bundle.compile_folder(policies(args))
    if result.diagnostics and args.format == "human":
        sys.stderr.write(render_human(result.diagnostics) + "\n")
    elif result.diagnostics and args.format == "plain":
        sys.stderr.write(render_plain(result.diagnostics))
    return result


def _refused(args: Namespace, result: Compiled) -> int:
    if args.format == "json":
        listed = [to_json(diagnostic) for diagnostic in result.diagnostics]
        sys.stdout.write(output.to_json({"ok": False, "diagnostics": listed}))
    else:
        files = len({diagnostic.span.source.name for diagnostic in result.errors})
        sys.stderr.write(f"{_many(len(result.errors), 'error')} in {_many(files, 'file')}\n")
    return exit_codes.POLICY_ERRORS


def check(args: Namespace) -> int:
    """Say what is wrong with charters, or that nothing is."""
    result = compiled(args)
    if result.errors:
        return _refused(args, result)
    model, program = result.require()
    if args.format == "json":
        listed = [to_json(diagnostic) for diagnostic in result.diagnostics]
        sys.stdout.write(output.to_json({"ok": True, "diagnostics": listed}))
        return exit_codes.OK
    imported = sum(source.name.startswith(bundle.FROM_PACK) for source in result.sources)
    files = _many(len(result.sources) - imported, "file")
    beside = f" (with {_many(imported, 'charter')} of the installed pack)" if imported else ""
    examples = sum(len(rule.examples) for rule in model.rules)
    sys.stdout.write(
        f"OK: {files}{beside}, {_many(len(program.rules), 'rule')}, {_many(examples, 'example')}\n"
    )
    return exit_codes.OK


def compile_(args: Namespace) -> int:
    """Write the compiled bundle into a folder."""
    result = compiled(args)
    if result.errors:
        return _refused(args, result)
    _, program = result.require()
    made = bundle.build(result, fixtures(args, result, program))
    target: Path = args.output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        # Files of an older bundle would stay among the new ones.
        raise ConfigurationError(f"{target} is not an empty folder; name another for the bundle")
    files = {**made.files, "bundle.json": made.manifest(), "opa.tar.gz": made.opa_tarball()}
    for name, data in files.items():
        write_file(target / name, data)
    if args.format == "json":
        sys.stdout.write(output.to_json({"digest": made.digest, "files": sorted(files)}))
    else:
        sys.stdout.write(f"OK: {_many(len(files), 'file')} in {target}, bundle {made.digest}\n")
    return exit_codes.OK


# --- charter test --------------------------------------------------------------------


def test(args: Namespace) -> int:
    """Run the inline examples on every engine."""
    result = compiled(args)
    if result.errors:
        return _refused(args, result)
    names: Sequence[str] = args.engines or _WITHOUT_SERVER
    if "opa" in names:
        raise ConfigurationError(
            "an OPA server holds one bundle, and examples need one for each charter: "
            f"run them on {', '.join(_WITHOUT_SERVER)}"
        )
    model, program = result.require()
    listed = list(cases(model, program, fixtures(args, result, program)))
    failures = asyncio.run(_run(listed, names))
    _report(args, len(listed), names, failures)
    return exit_codes.REFUSED if failures else exit_codes.OK


def _report(
    args: Namespace, cases_run: int, names: Sequence[str], failures: Sequence[dict[str, str]]
) -> None:
    if args.format == "json":
        report = {"cases": cases_run, "engines": list(names), "failures": list(failures)}
        sys.stdout.write(output.to_json(report))
        return
    for failed in failures:
        sys.stdout.write(f"FAILED {failed['case']} on {failed['engine']}: {failed['why']}\n")
        sys.stdout.write(f"  at {failed['at']}\n")
    word = "FAILED" if failures else "OK"
    held = f"{_many(cases_run, 'case')} on {', '.join(names)}, {_many(len(failures), 'failure')}"
    sys.stdout.write(f"{word}: {held}\n")


async def _run(listed: Sequence[Case], names: Sequence[str]) -> list[dict[str, str]]:
    loaded: dict[int, list[Engine]] = {}
    failures: list[dict[str, str]] = []
    for case in listed:
        if id(case.program) not in loaded:
            loaded[id(case.program)] = make_engines(names, case.program)
        for engine in loaded[id(case.program)]:
            why = await _failure(case, engine)
            if why is not None:
                line, column = case.span.position
                at = f"{case.span.source.name}:{line}:{column}"
                failures.append({"case": case.name, "engine": engine.name, "why": why, "at": at})
    for engines in loaded.values():
        for engine in engines:
            await engine.close()
    return failures


async def _failure(case: Case, engine: Engine) -> str | None:
    try:
        answer: Answer = await engine.ask(case.question)
    except EngineError as error:
        return str(error)
    return failure(case, answer)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
