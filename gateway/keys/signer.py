"""What stands for a private key, wherever it lives."""

from typing import Protocol, TypeVar

PublicT_co = TypeVar("PublicT_co", covariant=True)


class Signer(Protocol[PublicT_co]):
    """Something that signs, and says with which key.

    `sign` takes the whole message and hashes it itself where its algorithm does.
    """

    @property
    def key_id(self) -> str: ...

    @property
    def public(self) -> PublicT_co: ...

    def sign(self, message: bytes) -> bytes: ...
