"""Published evidence of others gets its published verdict through our code.

Records, notes, trees, canonical JSON and plain signatures have theirs beside the module that
reads them; here is what needs several parts at once.
"""

import base64
import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

from gateway.errors import (
    CosignatureError,
    EntryMismatchError,
    GatewayError,
    WitnessQuorumError,
)
from gateway.keys import CheckpointPublicKey, DecisionKey, DecisionPublicKey
from gateway.ledger.checkpoint import verify_checkpoint
from gateway.ledger.cosignature import WitnessPublicKey, verify_cosignatures
from gateway.ledger.merkle import leaf_hash, verify_inclusion
from gateway.ledger.note import parse_note
from gateway.record.envelope import (
    EnvelopeSignature,
    pre_authentication_encoding,
    read_envelope,
    verify_envelope,
)
from gateway.record.statement import PAYLOAD_TYPE
from gateway.verify import Trust
from gateway.verify.entries import verify_log
from gateway.verify.terms import Timestampers
from gateway.verify.timestamp import verify_timestamp
from tests.gateway.verify.fresh import flip

AT = datetime(2026, 11, 22, tzinfo=UTC)


def pem(der: bytes) -> str:
    return load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


# --- DSSE and Sigstore bundles -------------------------------------------------------


def sigstore(folder: Path) -> None:
    """Check a Sigstore bundle of version 0.3 with Rekor v2: signature, entry, checkpoint,
    inclusion, time. Not the identity in the certificate, which no part of ours reads."""
    bundle: Any = json.loads((folder / "bundle.sigstore.json").read_text())
    root: Any = json.loads((folder / "trusted_root.json").read_text())
    material = bundle["verificationMaterial"]
    certificate = base64.b64decode(material["certificate"]["rawBytes"])
    key = DecisionPublicKey.of(load_der_x509_certificate(certificate).public_key())
    message, signature = _signed(bundle, key, folder.parent / "a.txt")
    (entry,) = material["tlogEntries"]
    body = base64.b64decode(entry["canonicalizedBody"])
    _check_body(json.loads(body), message, signature, certificate)
    _check_place(entry["inclusionProof"], body, root)
    for stamp in material["timestampVerificationData"]["rfc3161Timestamps"]:
        (chain,) = [a["certChain"]["certificates"] for a in root["timestampAuthorities"]]
        signer, *above = [pem(base64.b64decode(one["rawBytes"])) for one in chain]
        accepted = Timestampers(tuple(above), (signer,))
        verify_timestamp(base64.b64decode(stamp["signedTimestamp"]), signature, accepted, at=AT)


def _signed(bundle: Any, key: DecisionPublicKey, artifact: Path) -> tuple[bytes, bytes]:
    """What was signed, once the signature held."""
    if "messageSignature" in bundle:
        signature = base64.b64decode(bundle["messageSignature"]["signature"])
        key.verify(signature, artifact.read_bytes())
        return artifact.read_bytes(), signature
    made = bundle["dsseEnvelope"]
    # The signer leaves the key id out; the certificate says which key it is.
    lines = [{"keyid": key.key_id, "sig": one["sig"]} for one in made["signatures"]]
    envelope = read_envelope({**made, "signatures": lines})
    verified = verify_envelope(envelope, {key.key_id: key}, payload_type=PAYLOAD_TYPE)
    message = pre_authentication_encoding(PAYLOAD_TYPE, verified.payload)
    return message, envelope.signatures[0].signature


def _check_body(entry: Any, message: bytes, signature: bytes, certificate: bytes) -> None:
    spec = entry["spec"]["hashedRekordV002"]
    found = base64.b64decode(spec["data"]["digest"])
    calculated = hashlib.sha256(message).digest()
    verifier = base64.b64decode(spec["signature"]["verifier"]["x509Certificate"]["rawBytes"])
    same = (base64.b64decode(spec["signature"]["content"]), verifier) == (signature, certificate)
    if found != calculated or not same:
        raise EntryMismatchError(expected=found, calculated=calculated)


def _check_place(proof: Any, body: bytes, root: Any) -> None:
    note = proof["checkpoint"]["envelope"].encode()
    origin = note.decode().partition("\n")[0]
    (log,) = [one for one in root["tlogs"] if one["baseUrl"] == f"https://{origin}"]
    public: Any = load_der_public_key(base64.b64decode(log["publicKey"]["rawBytes"]))
    key = CheckpointPublicKey.of(origin, public.public_bytes_raw())
    checkpoint = verify_checkpoint(note, key, origin=origin)
    verify_inclusion(
        index=int(proof["logIndex"]),
        tree_size=checkpoint.size,  # never the field beside it
        leaf=leaf_hash(body),
        path=[base64.b64decode(one) for one in proof["hashes"]],
        root=checkpoint.root,
    )


SIGSTORE = {
    "rekor2-dsse-happy-path": None,
    "rekor2-checkpoint-cosigned": None,
    "rekor2-checkpoint-two-sigs-cosigned": None,
    "rekor2-dsse-invalid-sig_fail": "signature-invalid",
    "rekor2-dsse-mismatch-envelope_fail": "entry-mismatch",
    "rekor2-checkpoint-missing-log-signature_fail": "checkpoint-malformed",
    "rekor2-timestamp-payload-mismatch_fail": "timestamp-imprint",
}


@pytest.mark.parametrize("name", SIGSTORE)
def test_a_bundle_of_a_public_log_gets_its_verdict(vectors: Path, name: str) -> None:
    folder = vectors / "dsse-intoto" / "sigstore" / name
    expected = SIGSTORE[name]
    assert (expected is not None) == name.endswith("_fail")
    if expected is None:
        sigstore(folder)
        return
    with pytest.raises(GatewayError) as caught:
        sigstore(folder)
    assert caught.value.reason == expected


def test_no_bundle_of_the_folder_is_left_out(vectors: Path) -> None:
    folder = vectors / "dsse-intoto" / "sigstore"
    assert {one.name for one in folder.iterdir() if one.is_dir()} == {*SIGSTORE}


def test_the_signature_of_the_specification_holds_once_it_is_in_der(vectors: Path) -> None:
    vector: Any = json.loads((vectors / "dsse-intoto" / "dsse-protocol-vector.json").read_text())
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

    x, y = (int(str(vector["public_key"][name]), 0) for name in ("x", "y"))
    key = DecisionPublicKey.of(EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key())
    given = vector["envelope"]
    raw = base64.b64decode(given["signatures"][0]["sig"])
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    envelope = read_envelope({**given, "signatures": [{"keyid": key.key_id, "sig": "AAAA"}]})
    line = EnvelopeSignature(key.key_id, encode_dss_signature(r, s))
    made = type(envelope)(envelope.payload_type, envelope.payload, (line,))
    verified = verify_envelope(made, {key.key_id: key}, payload_type=given["payloadType"])
    assert verified.payload == base64.b64decode(given["payload"])


# --- logs ----------------------------------------------------------------------------


def cosigned(vectors: Path) -> tuple[bytes, list[WitnessPublicKey]]:
    folder = vectors / "c2sp-tlog" / "rekor2-cosigned"
    vkeys = (folder / "vkeys.txt").read_text().split()
    witnesses = [WitnessPublicKey.from_vkey(one) for one in vkeys[1:]]
    return (folder / "checkpoint.txt").read_bytes(), witnesses


def test_three_public_witnesses_cosigned_a_checkpoint(vectors: Path) -> None:
    note, witnesses = cosigned(vectors)
    times = verify_cosignatures(parse_note(note), witnesses, quorum=3)
    expected = json.loads((vectors / "c2sp-tlog" / "expected.json").read_text())["cases"][1]
    assert set(times.values()) == {expected["facts"]["cosignature_time"]}
    with pytest.raises(WitnessQuorumError):
        verify_cosignatures(parse_note(note), witnesses[:2], quorum=3)


@pytest.mark.parametrize("line", [5, 6, 7])
def test_a_damaged_cosignature_of_a_public_witness_is_refused(vectors: Path, line: int) -> None:
    note, witnesses = cosigned(vectors)
    lines = note.decode().split("\n")
    head, _, encoded = lines[line].rpartition(" ")
    for position in (-1, 5, 11):  # of the signature, and of the time before it
        damaged = base64.b64encode(flip(base64.b64decode(encoded), position)).decode()
        text = "\n".join([*lines[:line], f"{head} {damaged}", *lines[line + 1 :]])
        with pytest.raises(CosignatureError):
            verify_cosignatures(parse_note(text.encode()), witnesses, quorum=0)


def tiled(vectors: Path, size: int, tiles: int, folder: Path) -> tuple[Path, Trust]:
    """The public log with the checkpoint of one size and the tiles of another."""
    source = vectors / "c2sp-tlog" / "tessera-log"
    (folder / "tile" / "entries" / "000.p").mkdir(parents=True)
    (folder / "tile" / "0" / "000.p").mkdir(parents=True)
    shutil.copy(source / f"checkpoint.{size}", folder / "checkpoint")
    for kind in ("entries", "0") if size else ():
        shutil.copy(
            source / "tile" / kind / "000.p" / str(tiles),
            folder / "tile" / kind / "000.p" / str(size),
        )
    key = CheckpointPublicKey.from_vkey((source / "log.vkey").read_text().strip())
    decision = DecisionKey.generate().public
    origin = (source / f"checkpoint.{size}").read_text().partition("\n")[0]
    return folder, Trust(origin, key, {decision.key_id: decision})


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 14])
def test_a_public_log_verifies_whole(vectors: Path, tmp_path: Path, size: int) -> None:
    assert verify_log(*tiled(vectors, size, size, tmp_path)).checkpoint.size == size


@pytest.mark.parametrize(("size", "tiles"), [(7, 8), (8, 7), (14, 8)])
def test_a_public_log_with_tiles_of_another_size_is_refused(
    vectors: Path, tmp_path: Path, size: int, tiles: int
) -> None:
    with pytest.raises(GatewayError) as caught:
        verify_log(*tiled(vectors, size, tiles, tmp_path))
    assert caught.value.reason == "entries"


def test_a_public_log_with_one_hash_of_a_tile_changed_is_refused(
    vectors: Path, tmp_path: Path
) -> None:
    folder, trust = tiled(vectors, 8, 8, tmp_path)
    tile = folder / "tile" / "0" / "000.p" / "8"
    tile.write_bytes(flip(tile.read_bytes(), 40))
    with pytest.raises(GatewayError) as caught:
        verify_log(folder, trust)
    assert caught.value.reason == "entries"


# --- timestamps ----------------------------------------------------------------------

TIMESTAMPS = {
    "tsa-sigstage": ("sigstage", "response-sha256.tsr", None),
    "tsa-bad-signature": ("sigstage", "response-invalid-signature.tsr", "timestamp"),
    "tsa-test": ("test_tsa", "response.tsr", None),
    "tsa-injected-certs": ("test_tsa", "response-injected-certs.tsr", None),
}


def authorities(vectors: Path, folder: str, *, pinned: bool) -> Timestampers:
    chain = load_pem_x509_certificates((vectors / "rfc3161" / folder / "ts_chain.pem").read_bytes())
    signer, *above = [one.public_bytes(Encoding.PEM).decode() for one in chain]
    return Timestampers(tuple(above), (signer,) if pinned else ())


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("name", TIMESTAMPS)
def test_a_published_timestamp_gets_its_verdict(vectors: Path, name: str, pinned: bool) -> None:
    folder, file, expected = TIMESTAMPS[name]
    token = (vectors / "rfc3161" / folder / file).read_bytes()
    accepted = authorities(vectors, folder, pinned=pinned)
    if expected is None:
        stamped = verify_timestamp(token, b"hello", accepted, at=AT)
        assert stamped < AT
        for message, reason in ((b"hello ", "timestamp-imprint"), (b"", "timestamp-imprint")):
            with pytest.raises(GatewayError) as caught:
                verify_timestamp(token, message, accepted, at=AT)
            assert caught.value.reason == reason
        return
    with pytest.raises(GatewayError) as caught:
        verify_timestamp(token, b"hello", accepted, at=AT)
    assert caught.value.reason == expected


def test_all_published_timestamps_are_tried(vectors: Path) -> None:
    cases: Any = json.loads((vectors / "rfc3161" / "expected.json").read_text())["cases"]
    verdicts = {one["id"]: one["verdict"] == "accept" for one in cases}
    assert verdicts == {name: case[2] is None for name, case in TIMESTAMPS.items()}


def test_a_timestamp_to_another_request_is_refused(vectors: Path) -> None:
    from rfc3161_client import decode_timestamp_response

    token = (vectors / "rfc3161" / "test_tsa" / "response.tsr").read_bytes()
    nonce = decode_timestamp_response(token).tst_info.nonce
    accepted = authorities(vectors, "test_tsa", pinned=True)
    verify_timestamp(token, b"hello", accepted, at=AT, nonce=nonce)
    with pytest.raises(GatewayError, match="another request"):
        verify_timestamp(token, b"hello", accepted, at=AT, nonce=(nonce or 0) + 1)
    with pytest.raises(GatewayError, match="judged at"):
        verify_timestamp(token, b"hello", accepted, at=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(GatewayError, match="no RFC 3161 response"):
        verify_timestamp(token[:-9], b"hello", accepted, at=AT)
