"""Two checkpoint keys of one log while one takes the place of the other.

Whoever knows only the old key finds its line on every checkpoint, and whoever knows only the
new one finds that. Both sign or there is no checkpoint.
"""

from gateway.keys.checkpoint import CheckpointPublicKey
from gateway.keys.signer import Signer


class Overlap:
    """The new key, with the old one alongside. It is a `Signer` of the new key."""

    def __init__(self, new: Signer[CheckpointPublicKey], old: Signer[CheckpointPublicKey]) -> None:
        self.new, self.old = new, old
        self.public = new.public
        self.key_id = new.key_id

    def sign(self, message: bytes) -> bytes:
        """The signature of the new key."""
        return self.new.sign(message)


def alongside(signer: Signer[CheckpointPublicKey]) -> tuple[Signer[CheckpointPublicKey], ...]:
    """All that sign a checkpoint, in the order of their lines."""
    return (signer.new, signer.old) if isinstance(signer, Overlap) else (signer,)
