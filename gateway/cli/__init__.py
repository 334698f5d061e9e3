"""The command line: `charter`."""

from gateway.cli.main import main

__all__ = ["main"]
