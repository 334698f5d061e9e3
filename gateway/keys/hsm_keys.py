"""Keys in a token: the two kinds of ours, over `gateway.keys.hsm`.

What the module returns is checked with the public key of the start before anybody gets it: a
token that has another key now, or a module that lies, signs nothing.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.errors import GatewayError, KeyMalformedError
from gateway.keys.checkpoint import CheckpointPublicKey
from gateway.keys.decision import DecisionPublicKey
from gateway.keys.errors import CustodyError, SigningUnavailableError
from gateway.keys.hsm import SIGN_S, START_S, Hsm
from gateway.keys.signer import KeyAttestation
from gateway.keys.uri import KeyUri

_P256_POINT, _ED25519_POINT = 65, 32
_HALF = 32  # bytes of r and of s
KeyT = TypeVar("KeyT")
# How much longer `sign` waits than the process may take.
_LEEWAY_S = 0.5


class _Key:
    """What both kinds share."""

    def __init__(self, hsm: Hsm, uri: KeyUri, sign_s: float) -> None:
        self._hsm = hsm
        self._sign_s = sign_s
        self.uri = uri

    @property
    def pid(self) -> int:
        """Of the process that has the module."""
        return self._hsm.pid

    def refusal(self) -> str | None:
        return self._hsm.refusal()

    def about(self) -> KeyAttestation:
        told = self._hsm.told
        return KeyAttestation(
            said_by=f"PKCS#11 module {self.uri.module.name}",
            manufacturer=str(told["manufacturer"]),
            model=str(told["model"]),
            serial=str(told["serial"]),
            is_sensitive=True,  # others are refused
            was_never_extractable=bool(told["never_extractable"]),
            was_made_there=bool(told["local"]),
        )

    def close(self) -> None:
        self._hsm.close()

    def sign_later(self, message: bytes) -> "Future[bytes]":
        raise NotImplementedError

    def sign(self, message: bytes) -> bytes:
        """As `sign_later`; it blocks.

        Raises:
            SigningUnavailableError: The token did not sign in time.
        """
        try:
            return self.sign_later(message).result(self._sign_s + _LEEWAY_S)
        except TimeoutError as error:
            raise SigningUnavailableError("the token did not sign in time") from error

    def _checked(self, data: bytes, take: Callable[[bytes], bytes]) -> "Future[bytes]":
        """The signature that `take` makes of what the module returns, once it has checked it."""
        answer: Future[bytes] = Future()

        def done(raw: "Future[bytes]") -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(take(raw.result()))
            except SigningUnavailableError as error:
                answer.set_exception(error)
            except (GatewayError, ValueError) as error:
                words = "its token made a signature that does not hold"
                self._hsm.distrust(words)
                refused = SigningUnavailableError(words)
                refused.__cause__ = error
                answer.set_exception(refused)

        self._hsm.submit(data).add_done_callback(done)
        return answer


class HsmDecisionKey(_Key):
    """A P-256 key in a token, which makes raw ECDSA of a digest: few have more."""

    def __init__(self, hsm: Hsm, uri: KeyUri, sign_s: float = SIGN_S) -> None:
        super().__init__(hsm, uri, sign_s)
        self.public = _p256(_point(hsm, _P256_POINT))
        self.key_id = self.public.key_id

    def sign_later(self, message: bytes) -> "Future[bytes]":
        """A DER signature of the message, which is hashed here."""

        def take(raw: bytes) -> bytes:
            if len(raw) != 2 * _HALF:
                raise ValueError("raw ECDSA of P-256 is two numbers of 32 bytes")
            signature = encode_dss_signature(
                int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:])
            )
            self.public.verify(signature, message)
            return signature

        return self._checked(hashlib.sha256(message).digest(), take)


class HsmCheckpointKey(_Key):
    """An Ed25519 key in a token, named as the log that it signs for."""

    def __init__(self, hsm: Hsm, uri: KeyUri, name: str, sign_s: float = SIGN_S) -> None:
        super().__init__(hsm, uri, sign_s)
        self.public = CheckpointPublicKey.of(name, _point(hsm, _ED25519_POINT))
        self.key_id = self.public.key_id

    def sign_later(self, message: bytes) -> "Future[bytes]":
        """The 64 bytes of RFC 8032 section 5.1.6."""

        def take(raw: bytes) -> bytes:
            self.public.verify(raw, message)
            return raw

        return self._checked(message, take)


def open_decision_key(
    uri: KeyUri, pin: str, *, make: bool = False, sign_s: float = SIGN_S, start_s: float = START_S
) -> HsmDecisionKey:
    """The decision key of a token; made there first where that is asked.

    Raises:
        CustodyError: The token, the key or the PIN is not as the URI says.
    """
    hsm = _open(uri, pin, "p256", make, sign_s, start_s)
    return _or_close(hsm, uri, lambda: HsmDecisionKey(hsm, uri, sign_s))


def open_checkpoint_key(
    uri: KeyUri,
    pin: str,
    *,
    name: str,
    make: bool = False,
    sign_s: float = SIGN_S,
    start_s: float = START_S,
) -> HsmCheckpointKey:
    """The checkpoint key of a token for the log of that name; as `open_decision_key`."""
    hsm = _open(uri, pin, "ed25519", make, sign_s, start_s)
    return _or_close(hsm, uri, lambda: HsmCheckpointKey(hsm, uri, name, sign_s))


def _open(uri: KeyUri, pin: str, kind: str, make: bool, sign_s: float, start_s: float) -> Hsm:
    asked: dict[str, object] = {
        "module": str(uri.module),
        "token": uri.token,
        "serial": uri.serial,
        "label": uri.label,
        "id": None if uri.id is None else uri.id.hex(),
        "kind": kind,
        "make": make,
        "pin": pin,
    }
    name = uri.label or (uri.id or b"").hex()
    try:
        return Hsm(name, asked, sign_s=sign_s, start_s=start_s)
    except CustodyError as error:
        raise CustodyError(f"{uri.text}: {error}", is_final=error.is_final) from error


def _or_close(hsm: Hsm, uri: KeyUri, make: Callable[[], KeyT]) -> KeyT:
    try:
        return make()
    except KeyMalformedError as error:
        hsm.close()
        raise CustodyError(f"{uri.text}: {error}") from error


def _point(hsm: Hsm, size: int) -> bytes:
    """The point of a public key, which modules give in an OCTET STRING of DER, or bare."""
    found = bytes.fromhex(str(hsm.told["point"]))
    if len(found) == size + 2 and found[:2] == bytes([0x04, size]):
        return found[2:]
    if len(found) == size:
        return found
    raise KeyMalformedError(f"the token gives a public point of {len(found)} bytes")


def _p256(point: bytes) -> DecisionPublicKey:
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError as error:
        raise KeyMalformedError("the public key of the token is no point of P-256") from error
    return DecisionPublicKey.of(key)
