"""Keys: what is written, what is read, and which keys nobody should trust."""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    CheckpointSignatureError,
    GatewayError,
    KeyFileError,
    KeyMalformedError,
    SignatureError,
)
from gateway.keys import (
    CheckpointKey,
    CheckpointPublicKey,
    CheckpointSigner,
    DecisionKey,
    DecisionPublicKey,
    DecisionSigner,
    decode_base64,
)
from gateway.keys.ed25519 import refuse_weak_key

NAME = "ledger.example/eu"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


# --- files ---------------------------------------------------------------------------


def test_a_key_file_is_for_its_owner_only_and_reads_back(tmp_path: Path) -> None:
    made = DecisionKey.create(tmp_path / "decision.pem")
    assert stat.S_IMODE((tmp_path / "decision.pem").stat().st_mode) == 0o600
    read = DecisionKey.load(tmp_path / "decision.pem")
    assert read.public == made.public
    made.public.verify(read.sign(b"message"), b"message")


def test_a_checkpoint_key_file_reads_back(tmp_path: Path) -> None:
    made = CheckpointKey.create(tmp_path / "log.pem", name=NAME)
    read = CheckpointKey.load(tmp_path / "log.pem", name=NAME)
    assert read.public.vkey == made.public.vkey
    made.public.verify(read.sign(b"message"), b"message")


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    made = DecisionKey.create(tmp_path / "decision.pem")
    with pytest.raises(KeyFileError, match="exists"):
        CheckpointKey.create(tmp_path / "decision.pem", name=NAME)
    assert DecisionKey.load(tmp_path / "decision.pem").key_id == made.key_id


def test_a_key_file_in_no_folder_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be created"):
        DecisionKey.create(tmp_path / "absent" / "decision.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o620])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "decision.pem"
    DecisionKey.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        DecisionKey.load(path)


def pkcs8(key: Any, encryption: Any = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


WRONG_FILES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no PEM": lambda: b"\x00\xff" * 40,
    "cut": lambda: pkcs8(ec.generate_private_key(ec.SECP256R1()))[:100],
    "huge": lambda: b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 20_000,
    "encrypted": lambda: pkcs8(
        ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"word")
    ),
    "P-384": lambda: pkcs8(ec.generate_private_key(ec.SECP384R1())),
    "RSA": lambda: pkcs8(rsa.generate_private_key(65537, 2048)),
    "the public key": lambda: DecisionKey.generate().public.pem.encode(),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_that_is_no_key_of_the_kind_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(WRONG_FILES[name]())
    with pytest.raises(KeyFileError) as caught:
        DecisionKey.load(path)
    assert str(path) in str(caught.value)
    with pytest.raises(KeyFileError):
        CheckpointKey.load(path, name=NAME)


def test_the_two_kinds_of_key_never_stand_in_for_each_other(tmp_path: Path) -> None:
    DecisionKey.create(tmp_path / "decision.pem")
    CheckpointKey.create(tmp_path / "log.pem", name=NAME)
    with pytest.raises(KeyFileError, match="Ed25519"):
        CheckpointKey.load(tmp_path / "decision.pem", name=NAME)
    with pytest.raises(KeyFileError, match="P-256"):
        DecisionKey.load(tmp_path / "log.pem")


def test_a_missing_file_and_a_folder_are_errors_in_words(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(KeyFileError, match="cannot be read"):
            DecisionKey.load(path)


def test_a_key_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyFileError, match="cannot be written"):
        DecisionKey.create(tmp_path / "decision.pem")
    assert list(tmp_path.iterdir()) == []


# --- decision keys -------------------------------------------------------------------


def test_a_decision_key_is_named_by_the_digest_of_its_public_key() -> None:
    public = DecisionKey.generate().public
    der = base64.b64decode("".join(public.pem.splitlines()[1:-1]))
    assert public.key_id == hashlib.sha256(der).hexdigest()
    assert DecisionPublicKey.from_pem(public.pem) == public


def _pem(der: bytes) -> str:
    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def _spki(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _compressed() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    bits = b"\x03" + bytes([len(point) + 1]) + b"\x00" + point
    return _pem(b"\x30" + bytes([len(algorithm) + len(bits)]) + algorithm + bits)


def _off_curve() -> str:
    pem = DecisionKey.generate().public.pem
    der = bytearray(base64.b64decode("".join(pem.splitlines()[1:-1])))
    der[-1] ^= 1
    return _pem(bytes(der))


WRONG_PUBLIC: dict[str, Callable[[], str]] = {
    "empty": str,
    "no PEM": lambda: "key",
    "not ASCII": lambda: "schl\u00fcssel",
    "lone surrogate": lambda: "\ud800",
    "P-384": lambda: _spki(ec.generate_private_key(ec.SECP384R1())),
    "secp256k1": lambda: _spki(ec.generate_private_key(ec.SECP256K1())),
    "RSA": lambda: _spki(rsa.generate_private_key(65537, 2048)),
    "Ed25519": lambda: _spki(ed25519.Ed25519PrivateKey.generate()),
    "compressed point": _compressed,
    "point off the curve": _off_curve,
    "two keys": lambda: DecisionKey.generate().public.pem + DecisionKey.generate().public.pem,
    "text around it": lambda: "key:\n" + DecisionKey.generate().public.pem,
    "the private key": lambda: pkcs8(ec.generate_private_key(ec.SECP256R1())).decode(),
    "huge": lambda: DecisionKey.generate().public.pem + "\n" * 10_000,
}


@pytest.mark.parametrize("name", WRONG_PUBLIC)
def test_a_public_key_that_is_not_plain_p256_is_refused(name: str) -> None:
    with pytest.raises(KeyMalformedError) as caught:
        DecisionPublicKey.from_pem(WRONG_PUBLIC[name]())
    assert caught.value.reason == "key-malformed"


def _integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(raw)]) + raw


def _der(r: int, s: int) -> bytes:
    body = _integer(r) + _integer(s)
    return b"\x30" + bytes([len(body)]) + body


KEY = DecisionKey.generate()
SIGNATURE = KEY.sign(b"message")
_R_LENGTH = SIGNATURE[3]
R = int.from_bytes(SIGNATURE[4 : 4 + _R_LENGTH], "big")
S = int.from_bytes(SIGNATURE[6 + _R_LENGTH :], "big")

WRONG_SIGNATURES: dict[str, bytes] = {
    "empty": b"",
    "one bit flipped": SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1]),
    "another key's": DecisionKey.generate().sign(b"message"),
    "of another message": KEY.sign(b"massage"),
    "raw r and s": R.to_bytes(32, "big") + S.to_bytes(32, "big"),
    "r zero": _der(0, S),
    "s zero": _der(R, 0),
    "both zero": _der(0, 0),
    "r plus the order": _der(R + ORDER, S),
    "s plus the order": _der(R, S + ORDER),
    "s is the order": _der(R, ORDER),
    "trailing garbage": SIGNATURE + b"\x00",
    "cut": SIGNATURE[:-1],
}


@pytest.mark.parametrize("name", WRONG_SIGNATURES)
def test_a_damaged_decision_signature_is_refused(name: str) -> None:
    KEY.public.verify(_der(R, S), b"message")  # the tools of the table are right
    with pytest.raises(SignatureError) as caught:
        KEY.public.verify(WRONG_SIGNATURES[name], b"message")
    assert caught.value.reason == "signature-invalid"


def test_published_p256_signatures_get_their_verdict(vectors: Path) -> None:
    file = vectors / "wycheproof" / "ecdsa_secp256r1_sha256_p1363_test.json"
    checked = 0
    for group in json.loads(file.read_text())["testGroups"]:
        public = DecisionPublicKey.from_pem(group["publicKeyPem"])
        for test in group["tests"]:
            raw, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            with pytest.raises(SignatureError):
                public.verify(raw, message)  # fixed length is never DER
            if len(raw) != 64:
                continue
            signature = _der(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            checked += 1
            if test["result"] == "valid":
                public.verify(signature, message)
            else:
                with pytest.raises(SignatureError):
                    public.verify(signature, message)
    assert checked > 150


# --- checkpoint keys -----------------------------------------------------------------


def test_published_ed25519_signatures_get_their_verdict(vectors: Path) -> None:
    file = vectors / "wycheproof" / "ed25519_test.json"
    checked = 0
    for group in json.loads(file.read_text())["testGroups"]:
        public = CheckpointPublicKey.of(NAME, bytes.fromhex(group["publicKey"]["pk"]))
        for test in group["tests"]:
            checked += 1
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            if test["result"] == "valid":
                public.verify(signature, message)
            else:
                with pytest.raises(CheckpointSignatureError):
                    public.verify(signature, message)
    assert checked > 140


P = 2**255 - 19


def _double(point: tuple[int, int]) -> tuple[int, int]:
    # RFC 8032 section 5.1.4, in affine form.
    d = -121665 * pow(121666, -1, P) % P
    x, y = point
    product = d * x * x * y * y % P
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )


def _points(y: int) -> list[tuple[int, int]]:
    d = -121665 * pow(121666, -1, P) % P
    x2 = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    root = pow(x2, (P + 3) // 8, P)
    if root * root % P != x2:
        root = root * pow(2, (P - 1) // 4, P) % P
    assert root * root % P == x2
    return [(root, y), (P - root, y)]


ORDER_8_Y = [
    int.from_bytes(bytes.fromhex(text), "little")
    for text in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


@pytest.mark.parametrize("y", [0, 1, P - 1, *ORDER_8_Y])
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed25519_key_of_small_order_is_refused(y: int, sign: int) -> None:
    for point in _points(y):
        assert _double(_double(_double(point))) == (0, 1), "the case itself is wrong"
    raw = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(KeyMalformedError, match="small order"):
        CheckpointPublicKey.of(NAME, raw)


@pytest.mark.parametrize("y", range(P, 2**255))
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed25519_key_that_is_not_reduced_is_refused(y: int, sign: int) -> None:
    with pytest.raises(KeyMalformedError, match="canonically"):
        CheckpointPublicKey.of(NAME, (y | sign << 255).to_bytes(32, "little"))


def test_the_library_alone_would_take_a_key_of_small_order() -> None:
    # The reason for the check: under this key one signature fits every message.
    weak = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)
    weak.verify(forged, b"one message")
    weak.verify(forged, b"another message")
    with pytest.raises(InvalidSignature):
        ed25519.Ed25519PrivateKey.generate().public_key().verify(forged, b"one message")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_ed25519_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyMalformedError, match="32 bytes"):
        refuse_weak_key(bytes(length))


def test_an_ed25519_key_off_the_curve_is_refused() -> None:
    with pytest.raises(KeyMalformedError, match="no point"):
        refuse_weak_key((2).to_bytes(32, "little"))


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_made_is_registered(seed: bytes) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    refuse_weak_key(key.public_key().public_bytes_raw())


PUBLIC = CheckpointKey.generate(NAME).public
_WITNESS_KEY = base64.b64encode(b"\x04" + bytes(32)).decode()
_ID, _ENCODED = PUBLIC.key_id, PUBLIC.vkey.split("+", 2)[2]

WRONG_VKEYS: dict[str, str] = {
    "empty": "",
    "name alone": NAME,
    "no key": f"{NAME}+{_ID}+",
    "no name": f"+{_ID}+{_ENCODED}",
    "name with a space": f"ledger example+{_ID}+{_ENCODED}",
    "name with a zero-width space": f"ledger\u200bexample+{_ID}+{_ENCODED}",
    "id of another key": f"{NAME}+{int(_ID, 16) ^ 1:08x}+{_ENCODED}",
    "id in capitals": f"{NAME}+{'ABCDEF01'}+{_ENCODED}",
    "id cut": f"{NAME}+{_ID[:7]}+{_ENCODED}",
    "type of a witness": f"{NAME}+{_ID}+{_WITNESS_KEY}",
    "key cut": f"{NAME}+{_ID}+{_ENCODED[:-4]}",
    "url-safe base64": f"{NAME}+{_ID}+____{_ENCODED[4:]}",
    "trailing newline": f"{PUBLIC.vkey}\n",
    "lone surrogate": f"{NAME}+{_ID}+\ud800",
}


@pytest.mark.parametrize("name", WRONG_VKEYS)
def test_a_damaged_verifier_key_is_refused(name: str) -> None:
    with pytest.raises(KeyMalformedError) as caught:
        CheckpointPublicKey.from_vkey(WRONG_VKEYS[name])
    assert caught.value.reason == "key-malformed"


def test_a_verifier_key_reads_back() -> None:
    assert CheckpointPublicKey.from_vkey(PUBLIC.vkey) == PUBLIC


@given(st.text())
def test_arbitrary_text_for_a_public_key_raises_only_our_errors(text: str) -> None:
    with suppress(GatewayError):
        DecisionPublicKey.from_pem(text)


@given(st.text(st.sampled_from("ABab01+/-_= \n")))
def test_base64_that_is_read_is_written_the_same(text: str) -> None:
    try:
        data = decode_base64(text)
    except ValueError:
        return
    assert base64.b64encode(data).decode() == text


def test_both_keys_are_signers() -> None:
    decision: DecisionSigner = DecisionKey.generate()
    checkpoint: CheckpointSigner = CheckpointKey.generate(NAME)
    decision.public.verify(decision.sign(b"message"), b"message")
    checkpoint.public.verify(checkpoint.sign(b"message"), b"message")
