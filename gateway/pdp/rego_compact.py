"""A module of regopy in a tenth of its memory: written in regopy's binary form and read again.

As it was built, a module keeps every node that its text was parsed to, some 220 bytes for a
character. Read from the binary form it has the plan alone, and says the same: the form has a
checksum, and whoever loads a module still puts known questions to it.
"""

# regopy annotates only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import mmap
import os
from concurrent.futures import ThreadPoolExecutor

from regopy import Bundle, BundleFormat, Interpreter, LogLevel, RegoError

from gateway.pdp.process import ROOM_BYTES, make_room

_READ_AT_ONCE = 1024 * 1024


def new_interpreter() -> Interpreter:
    """One that says nothing by itself, and where a built-in that fails is an error."""
    interpreter = Interpreter()
    interpreter.log_level = LogLevel.NONE
    interpreter.strict_built_in_errors = True
    return interpreter


class Room:
    """A file in memory alone, of which a process that may write no file has been given as much
    as there is: it is written through a map. Belongs to one thread at a time.

    Args:
        descriptor: Of such a file, `ROOM_BYTES` long; it belongs to this value.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @staticmethod
    def make() -> "Room | None":
        """None where this system has no such files, or lets this process have none."""
        descriptor = make_room()
        return None if descriptor is None else Room(descriptor)

    def compact(self, interpreter: Interpreter, bundle: Bundle) -> tuple[Interpreter, Bundle]:
        """The same bundle, of an interpreter of its own; as it came where it does not fit or
        cannot be read again."""
        try:
            data = _written(interpreter, bundle)
            if not 0 < len(data) <= ROOM_BYTES:
                return interpreter, bundle
            with mmap.mmap(self._descriptor, ROOM_BYTES) as room:
                room[: len(data)] = data
            reader = new_interpreter()
            read = reader.load_bundle(_path(self._descriptor), BundleFormat.Binary)
        except (OSError, ValueError, RegoError):
            return interpreter, bundle
        return (reader, read) if read.ok() else (interpreter, bundle)

    def __del__(self) -> None:
        # Not before: a thread that still writes here would write into whatever is opened next.
        os.close(self._descriptor)


def _written(interpreter: Interpreter, bundle: Bundle) -> bytes:
    """The binary form, through a pipe, which is no file. It can be read once, and regopy reads
    back and forth."""
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(_drain, reading)
        try:
            interpreter.save_bundle(_path(writing), bundle, BundleFormat.Binary)
        finally:
            os.close(writing)
        return read.result()


def _drain(descriptor: int) -> bytes:
    with open(descriptor, "rb", buffering=0) as pipe:
        pieces: list[bytes] = []
        while piece := pipe.read(_READ_AT_ONCE):
            pieces.append(piece)
    return b"".join(pieces)


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
