"""What stands for a private key, wherever it lives: a file, a token, a key service."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

PublicT_co = TypeVar("PublicT_co", covariant=True)


class Signer(Protocol[PublicT_co]):
    """Something that signs, and says with which key.

    `sign` takes the whole message and hashes it itself where its algorithm does. One that is
    far away may take as long as its time limit says, and raises `SigningUnavailableError`.
    """

    @property
    def key_id(self) -> str: ...

    @property
    def public(self) -> PublicT_co: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class KeyAttestation:
    """What is said of where a private key lives, by `said_by`. What a PKCS#11 module says is
    signed by nobody; `evidence` is what a maker signed, where there is such a thing."""

    said_by: str
    manufacturer: str
    model: str
    serial: str
    is_sensitive: bool
    was_never_extractable: bool
    was_made_there: bool
    evidence: bytes | None = None


@runtime_checkable
class RemoteSigner(Protocol):
    """A `Signer` that must be waited for, so that no event loop calls its `sign`."""

    def sign_later(self, message: bytes) -> "Future[bytes]":
        """The signature, or `SigningUnavailableError` within the time limit. It never
        blocks, and may be called in any thread."""
        ...

    def refusal(self) -> str | None:
        """Why the next signature will fail, as far as is known; None where it should not."""
        ...

    def about(self) -> KeyAttestation | None:
        """Where the key lives; None where nobody says."""
        ...

    def close(self) -> None:
        """Let go of it; what waits fails."""
        ...
