"""Where the keys of a state folder are, as a command line or the settings of its gateway say it;
no logic."""

from argparse import ArgumentParser
from pathlib import Path

from gateway.cli.key_options import add_custody
from gateway.cli.settings import take_over


def add_key_places(parser: ArgumentParser) -> None:
    """Flags and `--config`, for `gateway.cli.settings.resolve`; call it last."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings of `charter serve`, which say where its keys are (default: the variable "
        "CHARTER_CONFIG)",
    )
    add_custody(parser)
    take_over(parser)
