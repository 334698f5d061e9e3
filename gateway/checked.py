"""What the last check of the ledger found, in one small file of the state folder: `charter
ledger fsck` writes it, and a gateway that runs tells it to whoever watches."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import cast

NAME = "checked.json"
_MAX_BYTES = 4096
_MEMBERS = {"at", "first", "size", "damages", "notices"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of the entries from `first` up to `size`, at `at` seconds since 1970."""

    at: int
    first: int
    size: int
    damages: int
    notices: int


def write_checked(folder: Path, checked: Checked) -> bool:
    """Put it in place of the last one, where the folder can be written to; whether it could."""
    try:
        with NamedTemporaryFile("w", dir=folder, prefix=NAME, delete=False) as file:
            try:
                json.dump(asdict(checked), file)
                file.flush()
                os.replace(file.name, folder / NAME)
            except BaseException:
                with suppress(OSError):
                    os.unlink(file.name)
                raise
    except OSError:
        return False
    return True


def read_checked(folder: Path) -> Checked | None:
    """The last one; None where there is none that can be read."""
    try:
        with (folder / NAME).open("rb") as file:
            value = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    members = cast("dict[str, object]", value)
    if members.keys() != _MEMBERS or any(type(one) is not int for one in members.values()):
        return None
    return Checked(**cast("dict[str, int]", members))
