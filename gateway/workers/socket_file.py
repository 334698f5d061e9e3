"""The Unix socket of the writer: where it is, who may make it, and who is at its other end."""

import os
import socket
import stat
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gateway.errors import ConfigurationError, PeerError

FOLDER = "workers"
NAME = "writer.sock"
_BACKLOG = 128
# Of sockaddr_un, with the zero at its end (unix(7)).
_MAX_PATH = 107
_CREDENTIALS = struct.Struct("3i")


class HasOptions(Protocol):
    """A socket, or what an event loop gives of one."""

    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...


def listen(state: Path) -> socket.socket:
    """The socket of a state folder, listening; its folder is made with mode 0700. Whoever
    calls holds the lock of the ledger, so that a socket that is there is nobody's.

    Raises:
        ConfigurationError: Something else is in its place, or it cannot be made.
    """
    folder = state / FOLDER
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_folder(folder)
        folder.chmod(0o700)
        _remove_stale(folder / NAME)
        with _address(folder) as address:
            listener.bind(address)
        (folder / NAME).chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"{folder}: cannot be used: {error.strerror or error}") from error
    except ConfigurationError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _check_folder(folder: Path) -> None:
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise ConfigurationError(f"{folder} is not ours: remove it")


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"{path} is no socket: remove it")
    path.unlink()


def remove(state: Path) -> None:
    """Take the socket away. A writer that was killed leaves it, and the next replaces it."""
    (state / FOLDER / NAME).unlink(missing_ok=True)


def is_deserted(state: Path) -> bool:
    """Whether a writer has left its socket, and takes no connections any more: it was killed, or
    its gateway ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            if not stat.S_ISSOCK((state / FOLDER / NAME).lstat().st_mode):
                return False
            with _address(state / FOLDER) as address:
                connection.setblocking(False)
                connection.connect(address)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def connected(state: Path) -> socket.socket:
    """A connection to the writer of a state folder, who is of our own user.

    Raises:
        OSError: Nobody is there.
        PeerError: Somebody else is.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(state / FOLDER) as address:
            connection.setblocking(False)  # a connection to a Unix socket is made at once
            connection.connect(address)
        check_peer(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def check_peer(connection: HasOptions) -> int:
    """The process id at the other end.

    Raises:
        PeerError: It is of another user than this process (SO_PEERCRED of unix(7)).
    """
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    if uid != os.geteuid():
        raise PeerError(f"at the other end is user {uid}, and this process runs as {os.geteuid()}")
    return int(pid)


@contextmanager
def _address(folder: Path) -> Generator[str]:
    """The path of the socket, by a shorter way where it is too long for the system."""
    path = str(folder / NAME)
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield path
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)
