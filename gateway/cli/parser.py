"""All commands, in the order of `charter --help`; no logic.

A new command is one entry in the table of its group.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import NoReturn

from gateway.cli import (
    attest_commands,
    corim_commands,
    exit_codes,
    gateway_commands,
    keys_commands,
    ledger_commands,
    node_commands,
    policy_commands,
    release_commands,
    replay_commands,
    token_commands,
    tpm_commands,
    witness_commands,
)
from gateway.cli.command import Command

COMMANDS: tuple[Command, ...] = (
    *policy_commands.COMMANDS,
    *gateway_commands.COMMANDS,
    *attest_commands.COMMANDS,
    *corim_commands.COMMANDS,
    *keys_commands.COMMANDS,
    *ledger_commands.COMMANDS,
    *node_commands.COMMANDS,
    *release_commands.COMMANDS,
    *replay_commands.COMMANDS,
    *token_commands.COMMANDS,
    *tpm_commands.COMMANDS,
    *witness_commands.COMMANDS,
)

_EPILOG = """\
Exit codes: 0 permitted, verified, nothing wrong; 1 could not do it; 2 denied, not
verified, a case that does not hold, or too little coverage; 3 the charters have errors;
4 indeterminate, to be enforced as a denial. Answers go to standard output, all else to
standard error."""


class _Parser(ArgumentParser):
    """A mistake on the command line is "could not do it": code 2 would read as a denial,
    but for commands that say otherwise."""

    mistake = exit_codes.FAILED

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"charter: {message}; see {self.prog} --help\n")
        raise SystemExit(self.mistake)


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="charter",
        description="Decides where a workload may run and where data may flow, and proves it.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in COMMANDS:
        own = added.add_parser(
            command.name,
            help=command.words,
            description=f"{command.words[0].upper()}{command.words[1:]}.",
            epilog="\n\n".join(filter(None, (command.details.strip(), _EPILOG))),
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        own.mistake = command.mistake
        command.arguments(own)
        own.set_defaults(run=command.run, parser=own)
    return parser
