"""Stage 3, exceptions beside their rule and beside each other."""

from dsl import model, tree
from dsl.found import Found


def check_exceptions(rule: tree.Rule, made: model.Rule, found: Found) -> None:
    """Report exceptions that cannot mean what they say."""
