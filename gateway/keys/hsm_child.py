"""The process that has a PKCS#11 module loaded, and signs with one key of it.

A module is the maker's C code: it can crash, hang and forget, and what it does to a process it
does to this one. This process answers one request at a time and ends at the first failure:
a new one begins with a fresh module, a fresh session and a fresh login, which is the one way
of recovery for all that can be wrong. It ends with the gateway too: also from within a call
that hangs, for another thread sees the end of the socket.

Messages of one socket (SOCK_SEQPACKET), each a number of four bytes, one byte, and data:

    to here     0       what to open, JSON          N   what to sign; nothing: are you there?
    from here   0 kind  public key and more, JSON   N   kind signature or words
"""

import ctypes
import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    MultipleObjectsReturned,
    MultipleTokensReturned,
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
)

DONE, FAILED, REFUSED, FINAL = b"\0", b"\1", b"\2", b"\3"
MAX_MESSAGE = 64 * 1024
NUMBER = 4
P256, ED25519 = "p256", "ed25519"
# RFC 5480, secp256r1; PKCS#11 3.0 section 2.3.10 has the name of the curve, later modules the
# identifier of RFC 8410.
PARAMETERS = {
    P256: (bytes.fromhex("06082a8648ce3d030107"),),
    ED25519: (bytes.fromhex("130c656477617264733235353139"), bytes.fromhex("06032b6570")),
}
_TYPES = {P256: KeyType.EC, ED25519: KeyType.EC_EDWARDS}
_SIGN = {P256: Mechanism.ECDSA, ED25519: Mechanism.EDDSA}
_MAKE = {P256: Mechanism.EC_KEY_PAIR_GEN, ED25519: Mechanism.EC_EDWARDS_KEY_PAIR_GEN}


_PR_SET_DUMPABLE = 4  # prctl(2)


class Refused(Exception):  # noqa: N818 - no failure: it says so itself
    """What was asked for is not to be had from this token."""


def open_key(asked: Mapping[str, Any]) -> tuple[Any, dict[str, object]]:
    """Log in, and find the key; make it first where that is asked.

    Returns:
        The private key, and what is told of it.
    """
    kind: str = asked["kind"]
    token = _token(asked)
    session = token.open(rw=bool(asked["make"]), user_pin=asked["pin"])
    wanted: dict[str, Any] = {"label": asked["label"]} if asked["label"] else {}
    if asked["id"]:
        wanted["id"] = bytes.fromhex(asked["id"])
    if asked["make"]:
        _make(session, kind, wanted)
    private = _one(session, ObjectClass.PRIVATE_KEY, wanted)
    public = _one(session, ObjectClass.PUBLIC_KEY, wanted)
    if private.key_type is not _TYPES[kind] or public.key_type is not _TYPES[kind]:
        raise Refused(f"the key is of type {private.key_type!s:.40}, not {kind}")
    if public[Attribute.EC_PARAMS] not in PARAMETERS[kind]:
        raise Refused(f"the key is of another curve than {kind}")
    if private[Attribute.EXTRACTABLE] or not private[Attribute.SENSITIVE]:
        raise Refused("the private key can be taken out of the token; make one that cannot")
    if not private[Attribute.SIGN]:
        raise Refused("the key is not one that may sign")
    return private, {
        "point": bytes(public[Attribute.EC_POINT]).hex(),
        "manufacturer": str(token.manufacturer_id),
        "model": str(token.model),
        "serial": bytes(token.serial).decode("ascii", "replace"),
        "never_extractable": bool(private[Attribute.NEVER_EXTRACTABLE]),
        "local": bool(private[Attribute.LOCAL]),
    }


def _token(asked: Mapping[str, Any]) -> Any:
    selected: dict[str, Any] = {}
    if asked["token"]:
        selected["token_label"] = asked["token"]
    if asked["serial"]:
        selected["token_serial"] = asked["serial"].encode()
    return pkcs11.lib(asked["module"]).get_token(**selected)


def _one(session: Any, kind: ObjectClass, wanted: Mapping[str, Any]) -> Any:
    names = {"label": Attribute.LABEL, "id": Attribute.ID}
    where = {Attribute.CLASS: kind, **{names[name]: value for name, value in wanted.items()}}
    found = list(session.get_objects(where))
    if len(found) != 1:
        raise Refused(
            f"{len(found) or 'no'} objects of class {kind.name} answer to that name; one must"
        )
    return found[0]


def _make(session: Any, kind: str, wanted: Mapping[str, Any]) -> None:
    names = {"label": Attribute.LABEL, "id": Attribute.ID}
    for name, value in wanted.items():
        if list(session.get_objects({names[name]: value})):
            raise Refused("the token has an object of that name; a key is never overwritten")
    parameters = session.create_domain_parameters(
        _TYPES[kind], {Attribute.EC_PARAMS: PARAMETERS[kind][0]}, local=True
    )
    alone = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.DERIVE: False}
    parameters.generate_keypair(
        store=True,
        mechanism=_MAKE[kind],
        private_template=alone,
        public_template={Attribute.DERIVE: False},
        **wanted,
    )


def _failure(error: Exception) -> tuple[bytes, str]:
    """How a failure is told: in words that hold nothing of the PIN."""
    match error:
        case PinIncorrect() | PinInvalid() | PinLenRange():
            return FINAL, "the token refuses the PIN; it is not tried again, or it could lock"
        case PinLocked():
            return (
                FINAL,
                "the token is locked after too many wrong PINs; unlock it as its maker says",
            )
        case Refused():
            return REFUSED, str(error)
        case NoSuchKey():
            return REFUSED, "there is no such key in the token"
        case MultipleObjectsReturned() | MultipleTokensReturned():
            return REFUSED, "several tokens answer to that name; one must"
        case PKCS11Error():
            return FAILED, f"the module says {type(error).__name__}"
        case _:
            return FAILED, f"{type(error).__name__}"


def _leave_no_core() -> None:
    """The PIN is in the memory of this process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main(number: int) -> None:
    """Answer on the socket of that number until it ends."""
    _leave_no_core()
    channel = socket.socket(fileno=number)
    asked: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        while message := channel.recv(MAX_MESSAGE):
            asked.put(message)
        os._exit(0)

    opening = json.loads(channel.recv(MAX_MESSAGE)[NUMBER + 1 :])
    threading.Thread(target=listen, daemon=True).start()
    now = bytes(NUMBER)
    try:
        private, told = open_key(opening)
        channel.send(now + DONE + json.dumps(told).encode())
        mechanism = _SIGN[opening["kind"]]
        while True:
            message = asked.get()
            now, data = message[:NUMBER], message[NUMBER + 1 :]
            if data:
                answer = bytes(private.sign(data, mechanism=mechanism))
            else:
                answer = bytes([bool(private[Attribute.SENSITIVE])])
            channel.send(now + DONE + answer)
    except Exception as error:
        kind, words = _failure(error)
        channel.send(now + kind + words.encode())
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
