"""The folder of an OPA of ours, and what gateways that were killed left of theirs.

A gateway holds a lock in its folder, which ends with the process whatever ends it. So who
gets the lock of a folder knows that nobody uses it any more.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "charter-opa-"
_LOCK = "lock"
_MAX_LEFT = 1000  # looked at in one go, in a folder that everybody may fill


class OpaFolder:
    """A new folder that only this user can enter, and that is ours until it is removed.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _is_ours(self._handle):
                return
            os.close(self._handle)  # somebody who clears away was between the two calls

    def remove(self) -> None:
        """Give it up, with all that is in it. A second time does nothing."""
        if self._handle < 0:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)
        self._handle = -1


def remove_left() -> int:
    """Remove what killed gateways of this user left; how many folders. Whatever else there
    is stays, such as the folder of a gateway that runs."""
    removed = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        named = (entry for entry in entries if entry.name.startswith(PREFIX))
        for entry, _ in zip(named, range(_MAX_LEFT), strict=False):
            with suppress(OSError):
                removed += _remove_if_left(Path(entry.path))
    return removed


def _remove_if_left(folder: Path) -> bool:
    found = folder.lstat()
    # Only a folder, and no link to one, has this mode; only ours is of this user.
    if found.st_uid != os.geteuid() or found.st_mode != 0o40700:
        return False
    # Without a lock it is being made, or is none of ours.
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not _is_ours(handle):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(handle)


def _is_ours(handle: int) -> bool:
    """Take the lock; whether it is ours now, and its file still in its place."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(handle).st_nlink > 0
