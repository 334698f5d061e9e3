"""What the supervisor and a process that it started tell each other: short words over a
socket of their own. Its end tells either that the other is gone."""

import socket

from gateway.errors import WorkersError

_LONGEST = 1024
ALONE = b"alone"  # to the writer, when the last worker has ended


class Channel:
    """The end that the started process has."""

    def __init__(
        self, connection: socket.socket, *, is_first: bool = True, is_again: bool = False
    ) -> None:
        self.connection = connection
        # Others of the same kind load the same: one of them says what is wrong with it.
        self.is_first = is_first
        self.is_again = is_again
        # Whether the supervisor has said that all others have ended.
        self.is_alone = False

    def loaded(self) -> None:
        """Say that all is loaded, and wait until the writer is there.

        Raises:
            WorkersError: The supervisor is gone.
        """
        self._say(b"loaded")
        try:
            told = self.connection.recv(_LONGEST)
        except OSError as error:
            raise WorkersError("the supervisor is gone") from error
        if told != b"go":
            raise WorkersError("the supervisor is gone")

    def ready(self, words: str = "") -> None:
        """Say that it does its work now; raises as `loaded`."""
        self._say(b"ready " + words.encode())

    def reloaded(self, words: str) -> None:
        """Say that it works with something else now, so that the others load it too; raises
        as `loaded`."""
        self._say(b"reloaded " + words.encode())

    def is_over(self) -> bool:
        """Whether the supervisor is gone or wants this process to end; asked when the
        connection can be read."""
        try:
            told = self.connection.recv(_LONGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.is_alone = self.is_alone or told == ALONE
        return told in (b"", ALONE)

    def _say(self, words: bytes) -> None:
        try:
            self.connection.send(words)
        except OSError as error:
            raise WorkersError("the supervisor is gone") from error


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends. Messages stay apart (SOCK_SEQPACKET of unix(7))."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def heard(connection: socket.socket) -> tuple[str, str] | None:
    """The next word of a started process and what follows it; None at its end. For the
    supervisor, whose ends do not block."""
    try:
        data = connection.recv(_LONGEST)
    except OSError:
        return None
    word, _, rest = data.decode("utf-8", "replace").partition(" ")
    return (word, rest) if word else None
