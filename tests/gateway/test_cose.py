"""COSE_Sign1: vectors of others, and messages made here, damaged one thing at a time."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway import cbor, cose
from gateway.cbor import Value
from gateway.cose import PublicKey, parse_sign1, verify_sign1

P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED = Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505
Private = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey
KINDS: dict[str, tuple[Private, int, HashAlgorithm]] = {
    "ES256": (P256, cose.ES256, SHA256()),
    "ES384": (P384, cose.ES384, SHA384()),
    "ES512": (P521, cose.ES512, SHA512()),
    "EdDSA": (ED, cose.EDDSA, SHA512()),
    "PS256": (RSA, cose.PS256, SHA256()),
    "PS384": (RSA, cose.PS384, SHA384()),
}
PAYLOAD = b"what is signed"


def sign(key: Private, digest: HashAlgorithm, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


def made(
    kind: str = "ES256",
    *,
    protected: dict[cbor.Key, Value] | None = None,
    unprotected: dict[cbor.Key, Value] | None = None,
    raw: bytes | None = None,
    external: bytes = b"",
    detached: bool = False,
    tag: int | None = 18,
) -> bytes:
    key, algorithm, digest = KINDS[kind]
    headers = cbor.dumps({1: algorithm} if protected is None else protected) if raw is None else raw
    signed = cbor.dumps(["Signature1", headers, external, PAYLOAD])
    message: Value = [
        headers, unprotected or {}, None if detached else PAYLOAD, sign(key, digest, signed),
    ]  # fmt: skip
    return cbor.dumps(message if tag is None else cbor.Tagged(tag, message))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tag", [18, None])
def test_a_message_of_every_algorithm_holds(kind: str, tag: int | None) -> None:
    key = KINDS[kind][0].public_key()
    message = parse_sign1(made(kind, tag=tag))
    assert verify_sign1(message, key) == PAYLOAD
    assert message.is_tagged == (tag is not None)
    detached = parse_sign1(made(kind, detached=True, external=b"x"))
    assert verify_sign1(detached, key, payload=PAYLOAD, external=b"x") == PAYLOAD


def listed(change: int, value: Value) -> bytes:
    """The message with one of its four parts another."""
    message = cbor.loads(made(tag=None))
    assert isinstance(message, list)
    message[change] = value
    return cbor.dumps(message)


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "a number": b"\x01",
    "tag 98": made(tag=98),
    "tag 998": made(tag=998),
    "two tags": cbor.dumps(cbor.Tagged(18, cbor.loads(made()))),
    "three parts": cbor.dumps([b"", {}, b""]),
    "five parts": cbor.dumps([b"", {}, b"", b"", b""]),
    "protected headers that are a map": listed(0, {1: -7}),
    "protected headers that are a list": listed(0, cbor.dumps([1])),
    "protected headers that are cut": listed(0, b"\xa1\x01"),
    "protected headers with a key twice": listed(0, b"\xa2\x01\x26\x01\x26"),
    "unprotected headers that are a list": listed(1, []),
    "a header on both sides": listed(1, {1: -7}),
    "a payload that is a text": listed(2, "x"),
    "a signature that is a text": listed(3, "x"),
    "a byte after": made() + b"\0",
    "deep headers": listed(1, {9: cbor.loads(b"\x81" * 15 + b"\0")}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_message_is_refused(name: str) -> None:
    with pytest.raises(cose.CoseMalformedError):
        parse_sign1(MALFORMED[name])


REFUSED: dict[str, tuple[bytes, PublicKey, dict[str, Any], type[cose.CoseError]]] = {
    "another key": (
        made(), ec.generate_private_key(ec.SECP256R1()).public_key(), {}, cose.CoseSignatureError,
    ),
    "a key of another curve": (made(), P384.public_key(), {}, cose.CoseAlgorithmError),
    "a key of another kind": (made(), ED.public_key(), {}, cose.CoseAlgorithmError),
    "an RSA key for ECDSA": (made(), RSA.public_key(), {}, cose.CoseAlgorithmError),
    "a small RSA key": (made("PS256"), SMALL.public_key(), {}, cose.CoseAlgorithmError),
    "P-384 under the name of ES256": (
        made("ES384", protected={1: cose.ES256}), P384.public_key(), {}, cose.CoseAlgorithmError,
    ),
    "PS384 under the name of PS256": (
        made("PS384", protected={1: cose.PS256}), RSA.public_key(), {}, cose.CoseSignatureError,
    ),
    "no algorithm": (made(protected={}), P256.public_key(), {}, cose.CoseAlgorithmError),
    "an algorithm that is not protected": (
        made(protected={}, unprotected={1: -7}), P256.public_key(), {}, cose.CoseAlgorithmError,
    ),
    "an algorithm that is not known": (
        made(protected={1: -65535}), P256.public_key(), {}, cose.CoseAlgorithmError,
    ),
    "an algorithm that is a text": (
        made(protected={1: "ES256"}), P256.public_key(), {}, cose.CoseAlgorithmError,
    ),
    "an algorithm that is not allowed": (
        made(), P256.public_key(), {"algorithms": [cose.ES384]}, cose.CoseAlgorithmError,
    ),
    "another algorithm than is stated": (
        made(), P256.public_key(), {"stated": cose.ES384}, cose.CoseAlgorithmError,
    ),
    "another payload": (
        made(detached=True), P256.public_key(), {"payload": b"other"}, cose.CoseSignatureError,
    ),
    "no payload": (made(detached=True), P256.public_key(), {}, cose.CoseMalformedError),
    "two payloads": (made(), P256.public_key(), {"payload": PAYLOAD}, cose.CoseMalformedError),
    "external data that was not signed": (
        made(), P256.public_key(), {"external": b"x"}, cose.CoseSignatureError,
    ),
    "external data that is not given": (
        made(external=b"x"), P256.public_key(), {}, cose.CoseSignatureError,
    ),
    "a critical header that is not known": (
        made(protected={1: -7, 2: [99], 99: 1}), P256.public_key(), {}, cose.CoseMalformedError,
    ),
    "a critical header that is not there": (
        made(protected={1: -7, 2: [99]}), P256.public_key(), {"known_critical": [99]},
        cose.CoseMalformedError,
    ),
    "an empty list of critical headers": (
        made(protected={1: -7, 2: []}), P256.public_key(), {}, cose.CoseMalformedError,
    ),
    "critical headers that are not protected": (
        made(unprotected={2: [99]}), P256.public_key(), {"known_critical": [99]},
        cose.CoseMalformedError,
    ),
    "a signature in DER": (
        listed(3, P256.sign(b"x", ec.ECDSA(SHA256()))), P256.public_key(), {},
        cose.CoseSignatureError,
    ),
    "no signature": (listed(3, b""), P256.public_key(), {}, cose.CoseSignatureError),
    "a signature of zeros": (listed(3, bytes(64)), P256.public_key(), {}, cose.CoseSignatureError),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_signed_as_it_must_be_is_refused(name: str) -> None:
    data, key, given_, error = REFUSED[name]
    with pytest.raises(error):
        verify_sign1(parse_sign1(data), key, **given_)


def test_a_critical_header_that_the_caller_knows_holds() -> None:
    message = parse_sign1(made(protected={1: -7, 2: [99], 99: 1}))
    assert verify_sign1(message, P256.public_key(), known_critical=[99]) == PAYLOAD


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    data, key = made(kind), KINDS[kind][0].public_key()
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        with pytest.raises(cose.CoseError):
            verify_sign1(parse_sign1(flipped), key)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes) -> None:
    try:
        parse_sign1(data)
    except cose.CoseError:
        return


# --- vectors of others ---------------------------------------------------------------


def key_of(jwk: dict[str, str]) -> PublicKey:
    key = ECAlgorithm.from_jwk({**jwk})
    assert isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey))
    return key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key


@pytest.mark.parametrize("name", ["0000", "0001", "0002"])
def test_a_message_of_gluecose_holds(vectors: Path, name: str) -> None:
    path = vectors / "cose-scitt" / "gluecose" / f"sign1-verify-{name}.json"
    document: Any = json.loads(path.read_bytes())
    case = document["sign1::verify"]
    message = parse_sign1(bytes.fromhex(case["taggedCOSESign1"]["cborHex"]))
    external = bytes.fromhex(case.get("external", ""))
    assert verify_sign1(message, key_of(document["key"]), external=external)


@pytest.mark.parametrize(
    ("name", "stated", "error"),
    [
        # The algorithm is not protected: only who knows it beforehand can take it.
        ("pass-01", cose.ES256, None),
        ("pass-01", None, cose.CoseAlgorithmError),
        ("pass-02", None, None),
        ("fail-01", None, cose.CoseMalformedError),
        ("fail-02", None, cose.CoseSignatureError),
        ("fail-03", None, cose.CoseAlgorithmError),
    ],
)
def test_a_message_of_the_working_group_gets_its_verdict(
    vectors: Path, name: str, stated: int | None, error: type[cose.CoseError] | None
) -> None:
    path = vectors / "cose-scitt" / "cose-wg" / f"sign1-sign-{name}.json"
    document: Any = json.loads(path.read_bytes())
    given_ = document["input"]["sign0"]
    external = bytes.fromhex(given_.get("external", ""))
    data = bytes.fromhex(document["output"]["cbor"])
    if error is None:
        verify_sign1(parse_sign1(data), key_of(given_["key"]), external=external, stated=stated)
        return
    with pytest.raises(error):
        verify_sign1(parse_sign1(data), key_of(given_["key"]), external=external, stated=stated)


class Bare(cose.Sign1):
    """A message whose signature is over its payload alone."""

    def to_sign(self, payload: bytes, external: bytes) -> bytes:
        return payload + external


def test_published_p384_signatures_get_their_verdict(vectors: Path) -> None:
    """Through the verifier of COSE, which has signatures of fixed length."""
    file = vectors / "wycheproof" / "ecdsa_secp384r1_sha384_test.json"
    valid = refused = 0
    for group in json.loads(file.read_text())["testGroups"]:
        public = load_pem_public_key(group["publicKeyPem"].encode())
        assert isinstance(public, ec.EllipticCurvePublicKey)
        for test in group["tests"]:
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            try:
                raw = b"".join(one.to_bytes(48) for one in decode_dss_signature(signature))
            except (ValueError, OverflowError):
                assert test["result"] != "valid"  # no DER, or no number of this length
                continue
            bare = Bare(b"", {1: cose.ES384}, {}, message, raw, is_tagged=False)
            if test["result"] == "valid":
                valid += 1
                assert verify_sign1(bare, public) == message
            else:
                refused += 1
                with pytest.raises(cose.CoseSignatureError):
                    verify_sign1(bare, public)
    assert valid > 100
    assert refused > 30
