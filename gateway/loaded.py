"""What was in force last, kept across restarts, and what an operator allowed besides.

in_force.json   digests, and the number of the newest release that was in force
in_force.lock   held by the one worker that looks at the above and changes it
rollback.json   the leave to load one older release, once; see `charter release allow`
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from gateway.errors import ConfigurationError, JsonError
from gateway.record.canonical import load_strict

_IN_FORCE = "in_force.json"
_ROLLBACK = "rollback.json"
_LOCK = "in_force.lock"
# The log may need its whole time to record a change.
_LOCK_S = 10.0
_LOOK_S = 0.02
_MAX_BYTES = 64 * 1024
MAX_REASON = 1_000


@dataclass(frozen=True)
class Loaded:
    """`sequence` is the newest number that was in force, None where none had one; it stays
    while rules without a number are loaded."""

    bundle: str
    catalogue: str
    sequence: int | None


@dataclass(frozen=True)
class Rollback:
    """An operator's leave to go back to release `to`."""

    to: int
    reason: str


def read_loaded(folder: Path) -> Loaded | None:
    """What was in force last; None at first start.

    Raises:
        ConfigurationError: The file cannot be read. To begin anew would allow any release.
    """
    found = _read(folder / _IN_FORCE)
    match found:
        case None:
            return None
        case {"bundle": str(bundle), "catalogue": str(catalogue), "sequence": int() | None}:
            return Loaded(bundle, catalogue, cast("int | None", found["sequence"]))
        case _:
            raise ConfigurationError(f"{folder / _IN_FORCE} does not say what was in force")


def write_loaded(folder: Path, loaded: Loaded) -> None:
    """Keep it; on disk when this returns."""
    stage_loaded(folder, loaded).put()


def stage_loaded(folder: Path, loaded: Loaded) -> "Staged":
    """Write it to disk beside what was in force, which stays until the new one is put in its
    place: little can go wrong then.

    Raises:
        ConfigurationError: It cannot be written.
    """
    return Staged(folder / _IN_FORCE, asdict(loaded))


@asynccontextmanager
async def changing(folder: Path) -> AsyncGenerator[None]:
    """The block in which what was in force last is looked at and changed, one at a time of all
    processes: else the later of two could write the older number. A process that ends gives
    it back.

    Raises:
        ConfigurationError: Another does not come to its end, or there can be no lock.
    """
    path = folder / _LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot use it: {error.strerror}") from error
    try:
        try:
            async with asyncio.timeout(_LOCK_S):
                while not _locked(handle):  # noqa: ASYNC110 - held by other processes
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError as error:
            raise ConfigurationError("another worker is still loading: try again") from error
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_rollback(folder: Path) -> Rollback | None:
    """The leave that was given and not used; raises as `read_loaded`."""
    match _read(folder / _ROLLBACK):
        case None:
            return None
        case {"to": int(to), "reason": str(reason)}:
            return Rollback(to, reason)
        case _:
            raise ConfigurationError(f"{folder / _ROLLBACK} gives no leave; remove it")


def write_rollback(folder: Path, leave: Rollback) -> None:
    """Give leave.

    Raises:
        ConfigurationError: There is no reason, or it cannot be shown.
    """
    reason = leave.reason
    if not reason.strip() or not reason.isprintable() or len(reason) > MAX_REASON:
        raise ConfigurationError(f"say why, in 1 to {MAX_REASON:,} printable characters")
    if leave.to < 1:
        raise ConfigurationError("releases are numbered from 1")
    Staged(folder / _ROLLBACK, asdict(leave)).put()


def forget_rollback(folder: Path) -> None:
    """The leave was for once."""
    path = folder / _ROLLBACK
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot remove it: {error.strerror}") from error


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        with path.open("rb") as file:
            value = load_strict(file.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except JsonError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


class Staged:
    """A new text of a file, on disk beside the old one.

    Raises:
        ConfigurationError: It cannot be written.
    """

    def __init__(self, path: Path, value: Mapping[str, object]) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            handle = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def put(self) -> None:
        """In one step: whoever reads the file finds the old text or the new.

        Raises:
            ConfigurationError: It cannot be done, or nobody knows whether it is on disk.
        """
        try:
            self._beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Leave the old text where it is."""
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> ConfigurationError:
        self.discard()
        return ConfigurationError(f"{self._path}: cannot write it: {error.strerror}")
