"""Reading what the command line names, with one-line errors."""

import os
import tempfile
from pathlib import Path

from gateway.errors import ConfigurationError


def read_file(path: Path, *, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        ConfigurationError: Missing, unreadable, no regular file, or larger than `limit`.
    """
    try:
        # Not so for a device or a pipe, which has no end.
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path}: this is no file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    if len(data) > limit:
        raise ConfigurationError(f"{path}: larger than {limit:,} bytes")
    return data


def check_private(path: Path) -> None:
    """Refuse a secret that others can read.

    Raises:
        ConfigurationError: They can; the message says how to change that.
    """
    if path.is_file() and path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all. A link that stands
    there is replaced, never followed.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made with mode 0600.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error
