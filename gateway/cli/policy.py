"""`charter check`, `charter compile`, `charter test`: for those who write charters."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from dsl.compile import Compiled
from dsl.core import Program
from dsl.diagnostics import render_human, render_plain, to_json
from dsl.evaluate import Answer
from dsl.examples import Case, UnknownFixtureError, cases, failure
from gateway import bundle
from gateway.cli import exit_codes, output
from gateway.errors import ConfigurationError, EngineError
from gateway.pdp import catalogue
from gateway.pdp.engine import Engine
from gateway.pdp.engines import make_engines

FIXTURES = Path("fixtures") / "sites.toml"


def compiled(args: Namespace) -> Compiled:
    """The charters named on the command line; their mistakes go to standard error."""
    result = bundle.compile_folder(args.policies)
    if result.diagnostics and args.format == "human":
        sys.stderr.write(render_human(result.diagnostics) + "\n")
    elif result.diagnostics and args.format == "plain":
        sys.stderr.write(render_plain(result.diagnostics))
    return result


def check(args: Namespace) -> int:
    """Say what is wrong with charters, or that nothing is."""
    result = compiled(args)
    if args.format == "json":
        listed = [to_json(diagnostic) for diagnostic in result.diagnostics]
        sys.stdout.write(output.to_json({"ok": not result.errors, "diagnostics": listed}))
    if result.errors:
        if args.format != "json":
            files = len({diagnostic.span.source.name for diagnostic in result.errors})
            sys.stderr.write(f"{_many(len(result.errors), 'error')} in {_many(files, 'file')}\n")
        return exit_codes.POLICY_ERRORS
    _, program = result.require()
    if args.format != "json":
        examples = sum(len(rule.examples) for rule in result.require()[0].rules)
        sys.stdout.write(
            f"OK: {_many(len(result.sources), 'file')}, {_many(len(program.rules), 'rule')}, "
            f"{_many(examples, 'example')}\n"
        )
    return exit_codes.OK


def compile_(args: Namespace) -> int:
    """Write the compiled bundle into a folder."""
    result = compiled(args)
    if result.errors:
        return exit_codes.POLICY_ERRORS
    _, program = result.require()
    made = bundle.build(result, fixtures(args, program))
    target: Path = args.output
    files = {**made.files, "bundle.json": made.manifest(), "opa.tar.gz": made.opa_tarball()}
    try:
        for name, data in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"cannot write the bundle: {error}") from error
    if args.format == "json":
        sys.stdout.write(output.to_json({"digest": made.digest, "files": sorted(files)}))
    else:
        sys.stdout.write(f"OK: {_many(len(files), 'file')} in {target}, bundle {made.digest}\n")
    return exit_codes.OK


def fixtures(args: Namespace, program: Program) -> dict[str, dict[str, dict[str, object]]]:
    """The fixture catalogue of the charters' folder, or of the command line."""
    path: Path | None = args.fixtures
    if path is None:
        folder: Path = args.policies if args.policies.is_dir() else args.policies.parent
        own = folder / FIXTURES
        path = own if own.exists() else bundle.PACK / FIXTURES
    return catalogue.load(path, program).raw_facts()


# --- charter test --------------------------------------------------------------------


def test(args: Namespace) -> int:
    """Run the inline examples on every engine."""
    result = compiled(args)
    if result.errors:
        return exit_codes.POLICY_ERRORS
    model, program = result.require()
    try:
        listed = list(cases(model, program, fixtures(args, program)))
    except UnknownFixtureError as error:
        line, _ = error.span.position
        raise ConfigurationError(f"{error.span.source.name}:{line}: {error}") from error
    failures = asyncio.run(_run(listed, args.engines))
    engines = ", ".join(args.engines)
    if args.format == "json":
        report = {"cases": len(listed), "engines": args.engines, "failures": failures}
        sys.stdout.write(output.to_json(report))
    else:
        for failed in failures:
            sys.stdout.write(f"FAILED {failed['case']} on {failed['engine']}: {failed['why']}\n")
            sys.stdout.write(f"  at {failed['at']}\n")
        word = "FAILED" if failures else "OK"
        held = f"{_many(len(listed), 'case')} on {engines}, {_many(len(failures), 'failure')}"
        sys.stdout.write(f"{word}: {held}\n")
    return exit_codes.REFUSED if failures else exit_codes.OK


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
