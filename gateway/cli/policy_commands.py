"""Commands for those who write charters, with their arguments; no logic."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gateway.cli import options
from gateway.cli.command import Command


def _new_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the charter, such as own.residency")
    parser.add_argument(
        "--rule",
        metavar="RULE",
        help="add a rule of that name to the charter, which exists already",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        default=Path(),
        help="folder of the file NAME.charter (default: this one)",
    )
    parser.add_argument("--title", metavar="TEXT", help="what the charter, or the rule, is about")
    parser.add_argument(
        "--law", metavar="WORD", help="short name of the law, in capitals (default: HOUSE)"
    )
    parser.add_argument("--law-title", metavar="TEXT", help="full title of the law")
    parser.add_argument("--celex", metavar="NUMBER", help="CELEX number of the law, of EUR-Lex")
    parser.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="time zone in which days begin and end (default: Europe/Brussels)",
    )
    options.add_format(parser)


def _new(args: Namespace) -> int:
    from gateway.cli.new import new

    return new(args)


def _check_arguments(parser: ArgumentParser) -> None:
    options.add_paths(parser)
    parser.add_argument(
        "--watch",
        action="store_true",
        help="check again whenever a charter changes, until Ctrl-C; one line a round",
    )
    options.add_format(parser, "sarif")


def _check(args: Namespace) -> int:
    from gateway.cli.check import check

    return check(args)


def _compile_arguments(parser: ArgumentParser) -> None:
    options.add_paths(parser)
    options.add_fixtures(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        required=True,
        help="where to write; missing or empty",
    )
    options.add_format(parser)


def _compile(args: Namespace) -> int:
    from gateway.cli.compile import compile_

    return compile_(args)


def _test_arguments(parser: ArgumentParser) -> None:
    options.add_paths(parser)
    options.add_fixtures(parser)
    options.add_engines(parser, "cedar,rego,reference")
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="also write a report there, as JUnit XML"
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also say which conditions and exceptions the cases exercise; see below",
    )
    parser.add_argument(
        "--coverage-json", type=Path, metavar="FILE", help="write the coverage there, as JSON"
    )
    parser.add_argument(
        "--fail-under",
        type=options.percent,
        metavar="PERCENT",
        help="coverage below which the exit code is 2",
    )
    options.add_format(parser)


def _test(args: Namespace) -> int:
    from gateway.cli.test import test

    return test(args)


def _format_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="folders of charters, or files; - for standard input, laid out on standard output",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; name the files that are not laid out, and exit with 1 if there are",
    )
    parser.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; show what would change, as a unified diff",
    )
    options.add_format(parser)


def _format(args: Namespace) -> int:
    from gateway.cli.format import format_

    return format_(args)


_FORMAT_DETAILS = """\
The layout changes white space alone: what a charter says stays, and so does every comment.
A file with mistakes of syntax is left alone, and they are told."""


def _explain_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "rule", metavar="RULE", help="id of the rule, or its name where only one has it"
    )
    options.add_paths(parser)
    parser.add_argument(
        "--compiled", action="store_true", help="also show the Rego and the Cedar it became"
    )
    options.add_format(parser)


def _explain(args: Namespace) -> int:
    from gateway.cli.explain import explain_

    return explain_(args)


_TEST_DETAILS = """\
Cases are the examples that stand in rules, and those of case files: NAME.cases.toml
beside NAME.charter. A case runs on the rules of that charter alone. Where none of them
permits the action, everything is permitted that they do not refuse.

  format = "charter-cases/v1"

  [assume]                   # holds in every case that does not say otherwise
  given       = { transfer.mechanism = "none" }   # also `entities` and `unknown`

  [[case]]
  title       = "patient records to Virginia"
  action      = "place"              # one, or a list
  as_of       = 2026-11-22           # default: the day in the head of the charter
  entities    = { destination = "aws/us-east-1" }     # rows of the fixture catalogue
  given       = { data.labels = ["health"] }
  unknown     = ["transfer.impact_assessment"]        # known to nobody, also no catalogue
  expect      = "denied"             # or "permitted", "undetermined"
  by          = ["protected-destination"]    # exactly these rules are the reason
  obligations = []                   # of a permit, exactly these; so with advice

Coverage counts, for each rule on the actions it bears on, with all cases of its charter:
each comparison of `when`, `require` and the exceptions, and each of their parts between
top-level `and`s that is made of several comparisons, is to be seen true, to be seen false
and to be seen unknown: three points. What can never be unknown has two: a period in force,
`today` compared with a written date, and whether a fact `is known`. Each exception is to be
used: to be what saves somebody from the rule: one point. The percentage is that of points
reached, rounded down to one decimal."""


COMMANDS = (
    Command("new", "write a charter to fill in, or add a rule to one", _new_arguments, _new),
    Command("check", "say what is wrong with charters", _check_arguments, _check),
    Command(
        "format",
        "lay charters out in the one way",
        _format_arguments,
        _format,
        _FORMAT_DETAILS,
    ),
    Command(
        "explain",
        "say in plain sentences what a rule does, with a truth table",
        _explain_arguments,
        _explain,
    ),
    Command(
        "compile",
        "write the bundle: core, Rego, Cedar, schemas",
        _compile_arguments,
        _compile,
    ),
    Command(
        "test",
        "run the examples that stand in charters, and case files beside them",
        _test_arguments,
        _test,
        _TEST_DETAILS,
    ),
)
