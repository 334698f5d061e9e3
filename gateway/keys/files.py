"""Private keys in files: PKCS #8 PEM (RFC 5958), readable by their owner only."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.errors import KeyFileError

_MAX_FILE = 16 * 1024


def write_private_key(path: Path, key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
    """Keep the key in a new file, mode 0600, on disk when this returns.

    Raises:
        KeyFileError: The file exists, or cannot be written; a half-written one is removed.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists; a key is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be created: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_private_key(path: Path) -> object:
    """The private key of the file, of whatever kind.

    Raises:
        KeyFileError: Missing, no regular file, open to group or others, or malformed.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path} is no regular file")
            if status.st_mode & 0o077:
                raise KeyFileError(
                    f"{path} can be read by others than its owner; run: chmod 600 {path}"
                )
            pem = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(pem) > _MAX_FILE:
        raise KeyFileError(f"{path} is too large to be a private key")
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # TypeError: the key is encrypted. The library's words may quote the content.
        raise KeyFileError(f"{path} holds no unencrypted private key in PEM (PKCS #8)") from error
