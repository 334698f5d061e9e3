"""The PIN of a token: from a file that only its owner can read, or from the environment.

Never from an argument, which every user of the machine can read in the list of processes.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from gateway.keys.errors import CustodyError

VARIABLE = "CHARTER_PKCS11_PIN"
_MAX = 256


def read_pin(path: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """The PIN of a file, or of the variable where no file is named.

    Raises:
        CustodyError: There is none, or others can read the file.
    """
    if path is None:
        given = environment.get(VARIABLE, "")
        if not given:
            raise CustodyError(
                "no PIN for the token: name a file with mode 0600 by keys.pin_file, or set "
                f"{VARIABLE}"
            )
        return _checked(given, VARIABLE)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CustodyError(f"{path} is no regular file")
            if status.st_mode & 0o077:
                raise CustodyError(
                    f"{path} can be read by others than its owner; run: chmod 600 {path}"
                )
            data = file.read(_MAX + 3)
    except OSError as error:
        raise CustodyError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return _checked(data.decode().removesuffix("\n").removesuffix("\r"), str(path))
    except UnicodeDecodeError as error:
        raise CustodyError(f"{path} holds no PIN: it is not UTF-8") from error


def _checked(pin: str, where: str) -> str:
    if not 0 < len(pin) <= _MAX or not pin.isprintable():
        raise CustodyError(f"{where} holds no PIN: 1 to {_MAX} printable characters in one line")
    return pin
