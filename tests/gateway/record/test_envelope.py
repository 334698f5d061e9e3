"""DSSE envelopes: ours hold for others and theirs for us; damaged ones name the damage."""

# securesystemslib is typed only in part.
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import base64
import copy
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_der_x509_certificate
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from gateway.errors import (
    EnvelopeMalformedError,
    GatewayError,
    KeyIdMismatchError,
    KeyUnknownError,
    PayloadTypeError,
    RecordError,
    SignatureError,
)
from gateway.keys import DecisionKey, DecisionPublicKey
from gateway.record.envelope import (
    Envelope,
    EnvelopeSignature,
    parse_envelope,
    pre_authentication_encoding,
    read_envelope,
    sign_envelope,
    verify_envelope,
)

TYPE = "application/vnd.in-toto+json"
PAYLOAD = b'{"a":1}'
KEY, OTHER, STRANGER = (DecisionKey.generate() for _ in range(3))
TRUSTED = {KEY.key_id: KEY.public, OTHER.key_id: OTHER.public}
ENVELOPE = sign_envelope(PAYLOAD, TYPE, KEY)


def line(signer: DecisionKey, key_id: str | None = None) -> EnvelopeSignature:
    signature = signer.sign(pre_authentication_encoding(TYPE, PAYLOAD))
    return EnvelopeSignature(signer.key_id if key_id is None else key_id, signature)


def with_lines(*lines: EnvelopeSignature) -> Envelope:
    return Envelope(TYPE, PAYLOAD, lines)


# --- others --------------------------------------------------------------------------


def test_the_encoding_of_the_specification_is_met(vectors: Path) -> None:
    vector = json.loads((vectors / "dsse-intoto" / "dsse-protocol-vector.json").read_text())
    envelope = vector["envelope"]
    payload = base64.b64decode(envelope["payload"])
    encoding = pre_authentication_encoding(envelope["payloadType"], payload)
    assert encoding == vector["pae"].encode()


def test_lengths_count_bytes_and_not_characters() -> None:
    encoding = pre_authentication_encoding("t\u00fcpe", "\u20ac".encode())
    assert encoding == "DSSEv1 5 t\u00fcpe 3 \u20ac".encode()


def test_the_raw_signature_of_the_specification_is_refused_where_der_is_due(
    vectors: Path,
) -> None:
    vector = json.loads((vectors / "dsse-intoto" / "dsse-protocol-vector.json").read_text())
    envelope = vector["envelope"]
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    given_lines = (EnvelopeSignature("", signature),)
    raw = Envelope(envelope["payloadType"], base64.b64decode(envelope["payload"]), given_lines)
    with pytest.raises(KeyUnknownError):
        verify_envelope(raw, TRUSTED, payload_type=envelope["payloadType"])


@pytest.mark.parametrize(
    ("name", "holds"), [("rekor2-dsse-happy-path", True), ("rekor2-dsse-invalid-sig_fail", False)]
)
def test_an_envelope_of_a_public_signer_gets_its_verdict(
    vectors: Path, name: str, holds: bool
) -> None:
    file = vectors / "dsse-intoto" / "sigstore" / name / "bundle.sigstore.json"
    bundle = json.loads(file.read_text())
    certificate = load_der_x509_certificate(
        base64.b64decode(bundle["verificationMaterial"]["certificate"]["rawBytes"])
    )
    key = DecisionPublicKey.of(certificate.public_key())
    made = bundle["dsseEnvelope"]
    lines = [{"keyid": "", "sig": one["sig"]} for one in made["signatures"]]
    envelope = read_envelope({**made, "signatures": lines})
    # The signer leaves the key id out, so it never names the key.
    named = tuple(EnvelopeSignature(key.key_id, one.signature) for one in envelope.signatures)
    envelope = Envelope(envelope.payload_type, envelope.payload, named)
    if holds:
        verified = verify_envelope(envelope, {key.key_id: key}, payload_type=TYPE)
        assert json.loads(verified.payload)["_type"] == "https://in-toto.io/Statement/v1"
    else:
        with pytest.raises(SignatureError) as caught:
            verify_envelope(envelope, {key.key_id: key}, payload_type=TYPE)
        assert caught.value.reason == "signature-invalid"


def stock_key(key: DecisionKey) -> SSlibKey:
    public: Any = load_pem_public_key(key.public.pem.encode())
    return SSlibKey.from_crypto(public, keyid=key.key_id, scheme="ecdsa-sha2-nistp256")


def test_a_stock_verifier_takes_our_envelope() -> None:
    theirs = dsse.Envelope.from_dict(json.loads(ENVELOPE.to_bytes()))
    assert set(theirs.verify([stock_key(KEY)], 1)) == {KEY.key_id}
    with pytest.raises(VerificationError):
        theirs.verify([stock_key(OTHER)], 1)


def test_we_take_the_envelope_of_a_stock_signer() -> None:
    signer = CryptoSigner.generate_ecdsa()
    public = DecisionPublicKey.from_pem(signer.public_key.keyval["public"])
    theirs = dsse.Envelope(PAYLOAD, TYPE, {})
    theirs.sign(signer)
    made = theirs.to_dict()
    made["signatures"][0]["keyid"] = public.key_id
    verified = verify_envelope(
        parse_envelope(json.dumps(made).encode()), {public.key_id: public}, payload_type=TYPE
    )
    assert verified.payload == PAYLOAD


# --- ours ----------------------------------------------------------------------------


def test_writing_then_reading_is_identity() -> None:
    assert parse_envelope(ENVELOPE.to_bytes()) == ENVELOPE
    assert parse_envelope(json.dumps(ENVELOPE.to_json(), indent=1).encode()) == ENVELOPE


def test_two_keys_meet_a_threshold_of_two() -> None:
    verified = verify_envelope(
        with_lines(line(KEY), line(OTHER)), TRUSTED, payload_type=TYPE, threshold=2
    )
    assert set(verified.key_ids) == set(TRUSTED)


def test_the_signature_of_an_unknown_key_is_ignored_beside_a_trusted_one() -> None:
    envelope = with_lines(line(STRANGER), line(KEY))
    assert verify_envelope(envelope, TRUSTED, payload_type=TYPE).key_ids == (KEY.key_id,)


def flipped(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


BAD = EnvelopeSignature(KEY.key_id, flipped(line(KEY).signature))

NOT_SIGNED: dict[str, tuple[Envelope, int, type[RecordError], str]] = {
    "one bit of the signature flipped": (
        with_lines(BAD),
        1,
        SignatureError,
        "signature-invalid",
    ),
    "payload changed": (
        Envelope(TYPE, b'{"a":2}', ENVELOPE.signatures),
        1,
        SignatureError,
        "signature-invalid",
    ),
    "payload type changed": (
        Envelope("application/json", PAYLOAD, ENVELOPE.signatures),
        1,
        PayloadTypeError,
        "payload-type",
    ),
    "payload type signed as another": (
        sign_envelope(PAYLOAD, "application/json", KEY),
        1,
        PayloadTypeError,
        "payload-type",
    ),
    "signed by an unknown key": (
        with_lines(line(STRANGER)),
        1,
        KeyUnknownError,
        "key-unknown",
    ),
    "signed by an unknown key under a trusted id": (
        with_lines(line(STRANGER, KEY.key_id)),
        1,
        SignatureError,
        "signature-invalid",
    ),
    "signed by another trusted key under this id": (
        with_lines(line(OTHER, KEY.key_id)),
        1,
        KeyIdMismatchError,
        "key-id-mismatch",
    ),
    "key right, id unknown": (
        with_lines(line(KEY, "0" * 64)),
        1,
        KeyIdMismatchError,
        "key-id-mismatch",
    ),
    "key right, id empty": (
        with_lines(line(KEY, "")),
        1,
        KeyIdMismatchError,
        "key-id-mismatch",
    ),
    "key right, id in capitals": (
        with_lines(line(KEY, KEY.key_id.upper())),
        1,
        KeyIdMismatchError,
        "key-id-mismatch",
    ),
    "two signatures, one bad": (
        with_lines(line(OTHER), BAD),
        1,
        SignatureError,
        "signature-invalid",
    ),
    "one key twice for a threshold of two": (
        with_lines(line(KEY), line(KEY)),
        2,
        KeyUnknownError,
        "too-few-signatures",
    ),
    "one key and an unknown one for a threshold of two": (
        with_lines(line(KEY), line(STRANGER)),
        2,
        KeyUnknownError,
        "too-few-signatures",
    ),
    "no signature": (with_lines(), 1, KeyUnknownError, "key-unknown"),
    "no signature for a threshold of none": (with_lines(), 0, KeyUnknownError, "key-unknown"),
    "payload and type shifted into each other": (
        Envelope(TYPE, PAYLOAD[1:], ENVELOPE.signatures),
        1,
        SignatureError,
        "signature-invalid",
    ),
}


@pytest.mark.parametrize("name", NOT_SIGNED)
def test_an_envelope_that_is_not_signed_is_refused_for_its_reason(name: str) -> None:
    envelope, threshold, error, reason = NOT_SIGNED[name]
    with pytest.raises(error) as caught:
        verify_envelope(envelope, TRUSTED, payload_type=TYPE, threshold=threshold)
    assert caught.value.reason == reason


def test_nobody_trusted_means_nothing_verifies() -> None:
    with pytest.raises(KeyUnknownError):
        verify_envelope(ENVELOPE, {}, payload_type=TYPE)


# --- malformed -----------------------------------------------------------------------


def changed(change: Callable[[Any], object]) -> object:
    value = copy.deepcopy(ENVELOPE.to_json())
    change(value)
    return value


GOOD: Any = ENVELOPE.to_json()
SIG = GOOD["signatures"][0]["sig"]

MALFORMED: dict[str, object] = {
    "no object": [GOOD],
    "nothing": None,
    "unknown member": changed(lambda e: e.update(extra=1)),
    "member with an invisible letter": changed(lambda e: e.update({"payload\u200b": "AA=="})),
    "no payload": changed(lambda e: e.pop("payload")),
    "no payload type": changed(lambda e: e.pop("payloadType")),
    "no signatures": changed(lambda e: e.pop("signatures")),
    "empty signatures": changed(lambda e: e.update(signatures=[])),
    "17 signatures": changed(lambda e: e.update(signatures=e["signatures"] * 17)),
    "signatures no list": changed(lambda e: e.update(signatures=e["signatures"][0])),
    "unknown member of a signature": changed(lambda e: e["signatures"][0].update(cert="")),
    "no key id": changed(lambda e: e["signatures"][0].pop("keyid")),
    "key id a number": changed(lambda e: e["signatures"][0].update(keyid=1)),
    "key id with a wide letter": changed(lambda e: e["signatures"][0].update(keyid="\uff10")),
    "key id of a megabyte": changed(lambda e: e["signatures"][0].update(keyid="a" * 2**20)),
    "signature a list": changed(lambda e: e["signatures"][0].update(sig=[])),
    "signature url-safe": changed(lambda e: e["signatures"][0].update(sig="____" + SIG[4:])),
    "signature with white space": changed(lambda e: e["signatures"][0].update(sig=SIG + "\n")),
    "signature without padding": changed(lambda e: e["signatures"][0].update(sig="AA")),
    "payload with stray bits": changed(lambda e: e.update(payload="AB==")),
    "payload with a space": changed(lambda e: e.update(payload=" " + e["payload"])),
    "payload not ASCII": changed(lambda e: e.update(payload="\u20ac")),
    "payload a lone surrogate": changed(lambda e: e.update(payload="\ud800")),
    "payload type null": changed(lambda e: e.update(payloadType=None)),
    "payload type a lone surrogate": changed(lambda e: e.update(payloadType="\ud800")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_envelope_is_refused_as_such(name: str) -> None:
    with pytest.raises(EnvelopeMalformedError) as caught:
        read_envelope(MALFORMED[name])
    assert caught.value.reason == "envelope-malformed"


def test_a_duplicate_key_is_refused_whichever_value_is_good() -> None:
    text = ENVELOPE.to_bytes().decode()
    for extra in ('{"payload":"AA==",', '{"payloadType":"x","payloadType":"y",'):
        with pytest.raises(EnvelopeMalformedError, match="duplicate"):
            parse_envelope(text.replace("{", extra, 1).encode())


def test_deep_or_huge_json_is_refused_as_malformed() -> None:
    for data in (b"[" * 100_000, b" " * (3 * 1024 * 1024)):
        with pytest.raises(EnvelopeMalformedError):
            parse_envelope(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=5,
)
NAMES = st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig"])


@given(
    JSON
    | st.dictionaries(
        NAMES,
        st.lists(st.dictionaries(NAMES, JSON)) | st.binary().map(lambda b: base64.b64encode(b)),
    )
)
def test_arbitrary_values_raise_only_our_errors(value: object) -> None:
    with suppress(GatewayError):
        verify_envelope(read_envelope(value), TRUSTED, payload_type=TYPE)


@given(st.binary())
def test_arbitrary_bytes_raise_only_our_errors(data: bytes) -> None:
    with suppress(GatewayError):
        parse_envelope(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_seen(position: int, mask: int) -> None:
    body = bytearray(ENVELOPE.to_bytes())
    body[position % len(body)] ^= mask
    with pytest.raises(RecordError):
        verify_envelope(parse_envelope(bytes(body)), TRUSTED, payload_type=TYPE)
