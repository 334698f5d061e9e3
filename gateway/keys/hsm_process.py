"""A process that has a PKCS#11 module loaded and a key of it open; see `hsm_child`."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import cast

from gateway.keys.errors import CustodyError
from gateway.keys.pin import VARIABLE

# Of messages: the bytes of a number, and what the byte after it says.
NUMBER = 4
DONE, FINAL = 0, 3
MAX_MESSAGE = 64 * 1024
_NO_LIBRARY = "keys in tokens need a library that is not installed: install charter-gateway[pkcs11]"
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gateway.keys.hsm_child import main; main(int(sys.argv[2]))"
)


class HsmProcess:
    """The process, once it has opened the key."""

    def __init__(
        self, asked: Mapping[str, object], start_s: float, *, until: threading.Event | None = None
    ) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-B", "-c", _BOOT, json.dumps(sys.path), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # a module may say there what it likes
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                self.socket.close()
                raise CustodyError(f"no process for the module: {error.strerror}") from error
        self.pid = self._process.pid
        try:
            self.told = self._open(asked, start_s, until)
        except BaseException:
            self.end()
            raise

    def _open(
        self, asked: Mapping[str, object], start_s: float, until: threading.Event | None
    ) -> Mapping[str, object]:
        self.send(0, json.dumps(asked).encode())
        latest = time.monotonic() + start_s
        while not select.select([self.socket], [], [], 0.1)[0]:
            if time.monotonic() > latest or (until is not None and until.is_set()):
                raise CustodyError(f"the module did not open the key within {start_s:g} s")
        try:
            message = self.socket.recv(MAX_MESSAGE)
        except OSError:
            message = b""
        if len(message) <= NUMBER:
            raise CustodyError(_NO_LIBRARY if find_spec("pkcs11") is None else "the module crashed")
        kind, data = message[NUMBER], message[NUMBER + 1 :]
        if kind != DONE:
            raise CustodyError(data.decode("utf-8", "replace"), is_final=kind == FINAL)
        return cast("dict[str, object]", json.loads(data))

    def send(self, number: int, data: bytes) -> None:
        """Raises `OSError` where it takes no more."""
        message = number.to_bytes(NUMBER) + b"\0" + data
        self.socket.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self.socket.close()
