"""`charter test`: the examples in charters and the case files beside them, on every engine."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from dsl import coverage as rule_coverage
from dsl.compile import Compiled
from dsl.coverage import Coverage
from dsl.examples import Case, cases
from dsl.facts import Question
from dsl.printable import printable
from gateway.cli import coverage, diagnose, exit_codes, output
from gateway.cli.case_files import CaseFileError, stray_files, with_case_files
from gateway.cli.cases import Result, run_cases
from gateway.cli.charters import fixtures_of, named
from gateway.cli.files import write_file
from gateway.cli.junit import junit_xml
from gateway.errors import ConfigurationError
from gateway.pdp.engines import NAMES

# An OPA server holds one bundle; examples need another for each charter.
_WITHOUT_SERVER = tuple(name for name in NAMES if name != "opa")


def test(args: Namespace) -> int:
    """Run the cases of charters on every engine."""
    result = diagnose.compiled(args)
    if result.errors:
        return diagnose.refuse(args, result)
    names: Sequence[str] = args.engines or _WITHOUT_SERVER
    if "opa" in names:
        raise ConfigurationError(
            "an OPA server holds one bundle, and examples need one for each charter: "
            f"run them on {', '.join(_WITHOUT_SERVER)}"
        )
    try:
        listed = _cases(args, result)
    except CaseFileError as error:
        for problem in error.problems:
            sys.stderr.write(f"charter: {printable(problem)}\n")
        return exit_codes.FAILED
    started = datetime.now(UTC)
    results = asyncio.run(run_cases(listed, names))
    found = _coverage(args, result, listed)
    if args.junit is not None:
        write_file(args.junit, junit_xml(results, names, at=started))
    if args.coverage_json is not None and found is not None:
        write_file(args.coverage_json, output.to_json(coverage.to_body(found)).encode())
    _report(args, results, names, found)
    return _code(args, results, found)


def _cases(args: Namespace, result: Compiled) -> list[Case]:
    """Those in charters, then those of case files."""
    checked, program = result.require()
    fixtures = fixtures_of(args.paths, args.fixtures, result, program)
    for stray in stray_files(named(args.paths), result):
        sys.stderr.write(f"charter: {stray}: no charter stands beside it, so it does not run\n")
    from_files = with_case_files(result)
    return [*cases(checked, program, fixtures), *cases(from_files, program, fixtures)]


def _coverage(args: Namespace, result: Compiled, listed: Sequence[Case]) -> Coverage | None:
    wanted = (args.coverage, args.coverage_json is not None, args.fail_under is not None)
    if not any(wanted):
        return None
    checked, program = result.require()
    asked: dict[str, list[Question]] = {rule.charter: [] for rule in checked.rules}
    for case in listed:
        asked[case.rule.partition("/")[0]].append(case.question)
    return rule_coverage.coverage(checked, program, result.sources, asked)


def _code(args: Namespace, results: Sequence[Result], found: Coverage | None) -> int:
    if any(result.failures for result in results):
        return exit_codes.REFUSED
    if found is not None and _is_short(args, found):
        sys.stderr.write(
            f"charter: coverage is {found.percent:.1f} %, less than {args.fail_under:g} %\n"
        )
        return exit_codes.REFUSED
    return exit_codes.OK


def _is_short(args: Namespace, found: Coverage) -> bool:
    return args.fail_under is not None and found.percent < args.fail_under


def _report(
    args: Namespace, results: Sequence[Result], names: Sequence[str], found: Coverage | None
) -> None:
    failures = [(result, failed) for result in results for failed in result.failures]
    if args.format == "json":
        told = [
            {
                "case": result.name,
                "engine": failed.engine,
                "why": failed.why,
                "at": _place(result),
            }
            for result, failed in failures
        ]
        report = {"cases": len(results), "engines": list(names), "failures": told}
        body = {} if found is None else {"coverage": coverage.to_body(found)}
        sys.stdout.write(output.to_json({**report, **body}))
        return
    for result, failed in failures:
        sys.stdout.write(f"FAILED {result.name} on {failed.engine}: {failed.why}\n")
        sys.stdout.write(f"  at {_place(result)}\n")
    if found is not None:
        shown = coverage.to_text(found, style=args.format)
        sys.stdout.write(shown if args.coverage else f"{coverage.total(found)}\n")
    word = "FAILED" if failures else "OK"
    ran = diagnose.many(len(results), "case")
    failed_ = diagnose.many(len(failures), "failure")
    sys.stdout.write(f"{word}: {ran} on {', '.join(names)}, {failed_}\n")


def _place(result: Result) -> str:
    return f"{result.file}:{result.line}:{result.column}"
