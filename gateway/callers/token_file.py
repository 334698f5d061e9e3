"""Changes of the token file: one at a time, each whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.callers.tokens import MAX_FILE_BYTES, TokenFile, TokenRow, parse
from gateway.errors import ConfigurationError

NAME = "tokens.json"


def read(folder: Path) -> TokenFile:
    """The tokens of a state folder.

    Raises:
        ConfigurationError: There is none, or it is readable by others or malformed.
    """
    path = folder / NAME
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise ConfigurationError(f"{path} is readable by others: run chmod 600 {path}")
            return parse(opened.read(MAX_FILE_BYTES), str(path))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot read the tokens: {error.strerror}; a first charter serve makes them"
        ) from error


def add(folder: Path, row: TokenRow) -> None:
    """Add a token.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    with _locked(folder):
        file = read(folder)
        _write(folder, TokenFile(tokens=(*file.tokens, row)))


def remove(folder: Path, token_id: str) -> TokenRow:
    """Take a token out; returns its row.

    Raises:
        ConfigurationError: There is none of that id, or the file cannot be written.
    """
    with _locked(folder):
        file = read(folder)
        found = [row for row in file.tokens if row.id == token_id]
        if not found:
            raise ConfigurationError(f"there is no token `{token_id}`: see charter token list")
        _write(folder, TokenFile(tokens=tuple(row for row in file.tokens if row not in found)))
    return found[0]


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Two changes at once would lose one of them."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot use it: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(folder: Path, file: TokenFile) -> None:
    data = file.to_bytes()
    path = folder / NAME
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path}: no room for more tokens: revoke those that expired")
    try:
        # Made with mode 0600.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tokens-", delete=False) as new:
            try:
                new.write(data)
                new.flush()
                _give_to_owner_of(folder, new.fileno())
                os.fsync(new.fileno())
                os.replace(new.name, path)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


def _give_to_owner_of(folder: Path, handle: int) -> None:
    """Root makes tokens for a gateway of another user, who could not read them."""
    owner = folder.stat()
    if owner.st_uid != os.geteuid():
        os.fchown(handle, owner.st_uid, owner.st_gid)
