"""Documents by which a gateway attested itself, kept by digest in its state folder for ever.

own_evidence/<hex>.json   a document; a decision names it
own_evidence/run.json     by what is bound, the document that the processes of this run share
own_evidence/lock         held by the one that asks the TPM
"""

import fcntl
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import JsonError
from gateway.own_evidence.document import MAX_DOCUMENT, Document, read_document
from gateway.own_evidence.errors import GatewayEvidenceError, OwnEvidenceError
from gateway.published import replace_file
from gateway.record.canonical import Json, canonicalise, load_strict
from gateway.verify.refused import CannotTellError

FOLDER = "own_evidence"
_RUN, _LOCK = "run.json", "lock"
_LOCK_S = 60.0  # another process may have to wait for its TPM
_LOOK_S = 0.02
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Kept:
    """The documents of a state folder.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def get(self, sha256: str) -> bytes | None:
        """The document of a digest in hex; None where there is none, or it is damaged."""
        if _SHA256.fullmatch(sha256) is None:
            return None
        try:
            return self._read(sha256).text
        except (OwnEvidenceError, FileNotFoundError):
            return None

    def put(self, made: Document) -> None:
        """Keep a document; on disk when this returns.

        Raises:
            ConfigurationError: It cannot be written.
        """
        self._make()
        replace_file(self._folder / f"{made.sha256}.json", made.text)

    def of_run(self, run: str, bound: bytes) -> Document | None:
        """The document that was made last in a run of the gateway.

        Args:
            bound: What it must be made over.

        Returns:
            None where there is none, or it cannot be used.
        """
        named = self._run(run).get(bound.hex())
        if not isinstance(named, str) or _SHA256.fullmatch(named) is None:
            return None
        try:
            found = self._read(named)
        except (OwnEvidenceError, FileNotFoundError):
            return None
        return found if found.bound.data() == bound else None

    def share(self, run: str, made: Document) -> None:
        """Have all processes of a run name this one; raises as `put`."""
        documents = {**self._run(run), made.bound.data().hex(): made.sha256}
        value: Json = {"run": run, "documents": documents}
        replace_file(self._folder / _RUN, canonicalise(value))

    @contextmanager
    def alone(self) -> Generator[None]:
        """The block in which one process asks the TPM; it ends with the process.

        Raises:
            OwnEvidenceError: Another does not come to its end, or there can be no lock.
        """
        self._make()
        path = self._folder / _LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OwnEvidenceError(f"{path}: cannot use it: {error.strerror}") from error
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OwnEvidenceError(f"{self._folder}: cannot make it: {error.strerror}") from error

    def _read(self, sha256: str) -> Document:
        path = self._folder / f"{sha256}.json"
        try:
            with path.open("rb") as file:
                found = read_document(file.read(MAX_DOCUMENT + 1))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise OwnEvidenceError(f"{path}: cannot read it: {error.strerror}") from error
        except (GatewayEvidenceError, CannotTellError) as error:
            raise OwnEvidenceError(f"{path} is damaged: {error}") from error
        if found.sha256 != sha256:
            raise OwnEvidenceError(f"{path} is damaged: it holds another document")
        return found

    def _run(self, run: str) -> dict[str, Json]:
        """What the processes of a run share; nothing of a run before."""
        try:
            with (self._folder / _RUN).open("rb") as file:
                value = load_strict(file.read(MAX_DOCUMENT + 1), max_bytes=MAX_DOCUMENT)
        except (OSError, JsonError):
            return {}  # a document is made then
        match value:
            case {"run": found, "documents": dict(documents)} if found == run:
                return documents
            case _:
                return {}


def _lock(handle: int) -> None:
    until = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OwnEvidenceError("another worker still asks the TPM: try again") from None
            time.sleep(_LOOK_S)
        else:
            return
