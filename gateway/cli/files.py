"""Reading what the command line names, with one-line errors."""

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
