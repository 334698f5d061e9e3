"""DSSE envelopes (Dead Simple Signing Envelope v1): sign, read, verify.

Stricter than the protocol where that costs no stock tool anything: members that it does
not define, URL-safe base64 and empty signature lists are refused, because the ledger
commits to the whole envelope and everything in it should mean something.
"""

import base64
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.errors import (
    EnvelopeMalformedError,
    JsonError,
    KeyIdMismatchError,
    KeyUnknownError,
    PayloadTypeError,
    SignatureEncodingError,
    SignatureError,
    SignatureRangeError,
    TooFewSignaturesError,
)
from gateway.keys import DecisionPublicKey, DecisionSigner, decode_base64
from gateway.record.canonical import Json, canonicalise, load_strict

MAX_ENVELOPE = 2 * 1024 * 1024
MAX_SIGNATURES = 16
_MAX_TEXT = 256
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """`key_id` only hints at the key: it is not signed."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its signatures. Not verified; see `verify_envelope`."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    def to_json(self) -> dict[str, Json]:
        """The JSON form: `{"payload", "payloadType", "signatures": [{"keyid", "sig"}]}`."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": one.key_id, "sig": base64.b64encode(one.signature).decode()}
                for one in self.signatures
            ],
        }

    def to_bytes(self) -> bytes:
        """The JSON form in RFC 8785: the body that the ledger commits to.

        Raises:
            CanonicalFormError: A lone surrogate in the payload type or a key id.
        """
        # Base64 needs no escapes: the long member is not read a second time.
        pieces = [b'{"payload":"', b2a_base64(self.payload, newline=False)]
        pieces += (b'","payloadType":', _spelled(self.payload_type), b',"signatures":[')
        for number, one in enumerate(self.signatures):
            pieces.append(b',{"keyid":' if number else b'{"keyid":')
            pieces += (_spelled(one.key_id), b',"sig":"')
            pieces += (b2a_base64(one.signature, newline=False), b'"}')
        pieces.append(b"]}")
        return b"".join(pieces)


@lru_cache(maxsize=64)
def _spelled(text: str) -> bytes:
    """A payload type, or the id of a key: there are few."""
    return canonicalise(text)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """PAE of the DSSE protocol: what is signed. Lengths count bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, payload_type: str, signer: DecisionSigner) -> Envelope:
    """The payload in an envelope with one signature."""
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    return Envelope(payload_type, payload, (EnvelopeSignature(signer.key_id, signature),))


# --- reading -------------------------------------------------------------------------


def parse_envelope(data: bytes) -> Envelope:
    """Read the JSON form, in any spelling.

    Raises:
        EnvelopeMalformedError: Not strict JSON, or not the shape of an envelope.
    """
    try:
        value = load_strict(data, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
    except JsonError as error:
        raise EnvelopeMalformedError(f"the envelope is not strict JSON: {error}") from error
    return read_envelope(value)


def read_envelope(value: object) -> Envelope:
    """Read the JSON form that is parsed already.

    Raises:
        EnvelopeMalformedError: Not the shape of an envelope.
    """
    envelope = _members(value, {"payload", "payloadType", "signatures"}, "the envelope")
    lines = envelope["signatures"]
    if not isinstance(lines, list) or not 0 < len(cast("list[object]", lines)) <= MAX_SIGNATURES:
        raise EnvelopeMalformedError(f"an envelope has 1 to {MAX_SIGNATURES} signatures")
    return Envelope(
        _text(envelope["payloadType"], "payloadType"),
        _bytes(envelope["payload"], "payload"),
        tuple(_read_signature(line) for line in cast("list[object]", lines)),
    )


def _read_signature(value: object) -> EnvelopeSignature:
    line = _members(value, {"keyid", "sig"}, "a signature")
    return EnvelopeSignature(_text(line["keyid"], "keyid"), _bytes(line["sig"], "sig"))


def _members(value: object, expected: set[str], what: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or cast("dict[str, object]", value).keys() != expected:
        raise EnvelopeMalformedError(f"{what} has exactly {', '.join(sorted(expected))}")
    return cast("dict[str, object]", value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise EnvelopeMalformedError(f"{name} is no short string")
    # It is repeated in messages, where a line break or an escape sequence would deceive.
    if not value.isascii() or (value and not value.isprintable()):
        raise EnvelopeMalformedError(f"{name} is not printable ASCII")
    return value


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, str) or len(value) > MAX_ENVELOPE:
        raise EnvelopeMalformedError(f"{name} is no string")
    try:
        return decode_base64(value)
    except ValueError as error:
        raise EnvelopeMalformedError(f"{name} is not standard base64 with padding") from error


# --- verifying -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedPayload:
    """`payload` is what `key_ids` signed: the only bytes that may be parsed."""

    payload: bytes
    key_ids: tuple[str, ...]


def verify_envelope(
    envelope: Envelope,
    keys: Mapping[str, DecisionPublicKey],
    *,
    payload_type: str,
    threshold: int = 1,
) -> VerifiedPayload:
    """Check the signatures; `threshold` different trusted keys must have signed.

    Signatures by unknown keys are ignored, as the protocol demands. One that names a
    trusted key and does not hold spoils the envelope, whatever the others are worth.

    Args:
        keys: The trusted keys by their id.

    Raises:
        PayloadTypeError: Another payload type than `payload_type`.
        KeyUnknownError: No trusted key signed.
        TooFewSignaturesError: Trusted keys signed, but fewer than `threshold`.
        KeyIdMismatchError: A trusted key signed under another name than its own.
        SignatureError: A signature named as a trusted key's does not hold; of its own class
            where it could not hold for any message.
    """
    if envelope.payload_type != payload_type:
        raise PayloadTypeError(expected=payload_type, found=envelope.payload_type)
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    signed: dict[str, None] = {}
    for line in envelope.signatures:
        maker = _maker(line, message, keys)
        if maker is not None:
            signed[maker] = None
    if len(signed) < max(threshold, 1):
        found = tuple(line.key_id for line in envelope.signatures)
        refused = TooFewSignaturesError if signed else KeyUnknownError
        raise refused(expected=tuple(keys), found=found)
    return VerifiedPayload(envelope.payload, tuple(signed))


def _maker(
    line: EnvelopeSignature, message: bytes, keys: Mapping[str, DecisionPublicKey]
) -> str | None:
    """The id of the trusted key that made the signature; None where no trusted key is
    named and none made it."""
    named = keys.get(line.key_id)
    if named is not None and _holds(named, line, message):
        return named.key_id
    for key in keys.values():
        if key is not named and _holds(key, line, message):
            raise KeyIdMismatchError(expected=key.key_id, found=line.key_id)
    if named is not None:
        raise _damage(named.key_id, line.signature)
    return None


def _damage(key_id: str, signature: bytes) -> SignatureError:
    """Why a signature does not hold, as far as it can be told from the signature alone."""
    try:
        parts = decode_dss_signature(signature)
    except ValueError:
        return SignatureEncodingError(f"the signature of key {key_id} is not in DER")
    if not all(0 < part < _P256_ORDER for part in parts):
        return SignatureRangeError(f"the signature of key {key_id} has a part out of range")
    return SignatureError(f"the signature of key {key_id} does not hold")


def _holds(key: DecisionPublicKey, line: EnvelopeSignature, message: bytes) -> bool:
    try:
        key.verify(line.signature, message)
    except SignatureError:
        return False
    return True
