"""The folder of a witness.

witness.key     private, Ed25519, mode 0600; cosigns, and nothing else
witness.sqlite3 what was cosigned; belongs to that key, for both are made together
name            the name of the witness; written last
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.errors import KeyMalformedError
from gateway.witness.errors import WitnessStateError
from gateway.witness.key import WitnessKey
from gateway.witness.protocol import Logs
from gateway.witness.store import Store
from gateway.witness.witness import Witness

KEY = "witness.key"
STORE = "witness.sqlite3"
NAME = "name"


def create(folder: Path, *, name: str) -> WitnessKey:
    """Make a witness in a folder that is empty or not there.

    Raises:
        WitnessStateError: Something is there, it cannot be written, or the name is none.
    """
    try:
        key_name = WitnessKey.generate(name).public.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WitnessStateError(f"{folder} is not empty; a witness begins in a new folder")
        folder.chmod(0o700)
        key = WitnessKey.create(folder / KEY, name=key_name)
        Store.create(folder / STORE, vkey=key.public.vkey)
        with (folder / NAME).open("x", encoding="utf-8") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync(folder)
    except OSError as error:
        raise WitnessStateError(f"{folder}: cannot write there: {error.strerror}") from error
    except KeyMalformedError as error:
        raise WitnessStateError(f"`{name}` cannot name a witness: {error}") from error
    return key


def load(folder: Path) -> tuple[WitnessKey, Store]:
    """Key and store of a witness; the caller closes the store.

    Raises:
        ConfigurationError: Something is missing, unsafe, or does not belong together.
    """
    try:
        name = (folder / NAME).read_text(encoding="utf-8").removesuffix("\n")
        if folder.stat().st_mode & 0o022:
            raise WitnessStateError(f"{folder} can be changed by others: run chmod 700 {folder}")
        key = WitnessKey.load(folder / KEY, name=name)
    except (OSError, UnicodeDecodeError) as error:
        raise WitnessStateError(
            f"{folder} holds no witness: make one with `charter witness new-key`"
        ) from error
    except KeyMalformedError as error:
        raise WitnessStateError(f"{folder / NAME} holds no name of a witness: {error}") from error
    return key, Store.open(folder / STORE, vkey=key.public.vkey)


def open_witness(folder: Path, logs: Logs, clock: Callable[[], datetime]) -> tuple[Witness, Store]:
    """The witness of a folder; the caller closes the store. Raises as `load`."""
    key, store = load(folder)
    return Witness(key, logs, store, clock), store


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
