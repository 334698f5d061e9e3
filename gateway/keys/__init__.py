"""Keys: who signs decisions and checkpoints, and whose signatures count.

Two kinds, never mixed: a decision key (ECDSA P-256) signs DSSE envelopes, and as a JWT where
the gateway says what it serves, which no envelope can be taken for; a checkpoint key
(Ed25519) signs the notes of one log and nothing else. Both stand behind `Signer`, so that a
key store can take the place of a file.

Ids are derived from the public key, never chosen. A decision key is named by the SHA-256
of its SubjectPublicKeyInfo in DER, in hex, as Sigstore does; a checkpoint key by the four
bytes of C2SP signed-note, in hex.
"""

from gateway.keys.checkpoint import CheckpointKey, CheckpointPublicKey
from gateway.keys.decision import DecisionKey, DecisionPublicKey
from gateway.keys.encoding import decode_base64
from gateway.keys.signer import Signer

DecisionSigner = Signer[DecisionPublicKey]
CheckpointSigner = Signer[CheckpointPublicKey]

__all__ = [
    "CheckpointKey",
    "CheckpointPublicKey",
    "CheckpointSigner",
    "DecisionKey",
    "DecisionPublicKey",
    "DecisionSigner",
    "Signer",
    "decode_base64",
]
