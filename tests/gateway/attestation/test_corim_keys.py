"""Keys of platforms in a CoRIM, as rows of a file of anchors: a published manifest, and manifests
made here of which none may become a key that its maker did not give to that platform."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import cbor
from gateway.attestation import errors
from gateway.attestation.anchors import CcaPlatform, read_anchors
from gateway.attestation.arm_cca import parse_token, verify_token
from gateway.attestation.corim import parse_corim
from gateway.attestation.corim_rows import references
from tests.gateway.attestation import cca, corims
from tests.gateway.attestation.chains import AT
from tests.gateway.attestation.corims import KEY, LATER, Made, component
from tests.gateway.cli.commands import here

CLASS = {0: cbor.Tagged(560, cca.IMPLEMENTATION)}
INSTANCE = cbor.Tagged(550, cca.INSTANCE)
PLATFORM: Any = {0: CLASS, 1: INSTANCE}
CPAK = corims.pem(cca.CPAK)


def made(*triples: Any, **more: Any) -> Made:
    return Made({0: [[corims.CLASS, [component("BL2")]]], 3: list(triples)}, **more)


GOOD = made([PLATFORM, [CPAK]])


def pem_of(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_key_of_a_platform_becomes_a_row_with_its_source_and_days() -> None:
    timed = replace(GOOD, corim={4: corims.period(None, LATER)})
    (row,) = timed.rows().keys
    assert (row.implementation_id, row.instance_id) == (
        cca.IMPLEMENTATION.hex(), cca.INSTANCE.hex(),
    )  # fmt: skip
    assert row.pem == pem_of(cca.CPAK)
    assert (row.valid_from, row.valid_until) == (AT.date(), date(2026, 6, 10))
    assert "signed by Vendor" in row.source
    assert not [words for words in timed.rows().left if "keys" in words]


def test_the_published_manifest_has_the_key_of_one_platform(vectors: Path) -> None:
    corim = parse_corim((vectors / "corim" / "cca-platform-valid.cbor").read_bytes())
    (row,) = references(corim, None, at=AT).keys
    assert bytes.fromhex(row.implementation_id) == b"acme-implementation-id-000000001"
    assert row.instance_id.startswith("014ca3e4f50bf248")
    assert "vouched for by the operator" in row.source


OTHER_KEY = corims.pem(corims.OTHER)
NOT_ROWS: dict[str, Made] = {
    "a class alone": made([{0: CLASS}, [CPAK]]),
    "an instance alone": made([{1: INSTANCE}, [CPAK]]),
    "a group": made([{**PLATFORM, 2: cbor.Tagged(560, b"g")}, [CPAK]]),
    "a layer": made([{0: {**CLASS, 3: 0}, 1: INSTANCE}, [CPAK]]),
    "an index": made([{0: {**CLASS, 4: 0}, 1: INSTANCE}, [CPAK]]),
    "a class by UUID": made([{0: {0: cbor.Tagged(37, b"u" * 16)}, 1: INSTANCE}, [CPAK]]),
    "a class by other bytes": made(
        [{0: {0: cbor.Tagged(600, cca.IMPLEMENTATION)}, 1: INSTANCE}, [CPAK]]
    ),
    "a short implementation": made([{0: {0: cbor.Tagged(560, b"I")}, 1: INSTANCE}, [CPAK]]),
    "a short instance": made([{0: CLASS, 1: cbor.Tagged(550, b"\1U")}, [CPAK]]),
    "an instance by other bytes": made([{0: CLASS, 1: cbor.Tagged(560, cca.INSTANCE)}, [CPAK]]),
    "an instance by the maker's number": made(
        [{0: CLASS, 1: cbor.Tagged(550, b"\2" + b"U" * 32)}, [CPAK]]
    ),
    "two keys": made([PLATFORM, [CPAK, OTHER_KEY]]),
    "two keys in two triples": made([PLATFORM, [CPAK]], [PLATFORM, [OTHER_KEY]]),
    "a key under a condition": made([PLATFORM, [CPAK], {0: "cca"}]),
    "a certificate": made([PLATFORM, [cbor.Tagged(555, CPAK.value)]]),
    "a thumbprint": made([PLATFORM, [cbor.Tagged(557, [1, b"t" * 32])]]),
    "a key that is no text": made([PLATFORM, [cbor.Tagged(554, b"key")]]),
    "a key that is none": made([PLATFORM, [cbor.Tagged(554, "key")]]),
    "a key of RSA": made(
        [PLATFORM, [cbor.Tagged(554, pem_of(rsa.generate_private_key(65537, 2048)))]]
    ),
    "a key of Ed25519": made(
        [PLATFORM, [cbor.Tagged(554, pem_of(ed25519.Ed25519PrivateKey.generate()))]]
    ),
    "a key of a curve that tokens do not have": made(
        [PLATFORM, [cbor.Tagged(554, pem_of(ec.generate_private_key(ec.SECP256K1())))]]
    ),
    "a long key": made([PLATFORM, [cbor.Tagged(554, " " * 5_000 + str(CPAK.value))]]),
    "keys of realms": made([PLATFORM, [CPAK]], profile=corims.REALM),
    "keys of another technology": replace(
        made([PLATFORM, [CPAK]]), profile=..., technology=corims.Technology.ARM_CCA
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_ROWS)
def test_keys_that_are_not_of_one_platform_become_no_row_and_are_listed(kind: str) -> None:
    found = NOT_ROWS[kind].rows()
    assert found.keys == ()
    assert [words for words in found.left if "keys of" in words]


def test_one_key_twice_is_one_row_and_those_of_two_platforms_are_two() -> None:
    other = {0: CLASS, 1: cbor.Tagged(550, b"\1" + b"V" * 32)}
    assert len(made([PLATFORM, [CPAK]], [PLATFORM, [CPAK]]).rows().keys) == 1
    assert len(made([PLATFORM, [CPAK]], [other, [OTHER_KEY]]).rows().keys) == 2


def test_a_key_beside_a_vendor_and_a_model_is_that_of_the_platform() -> None:
    environment = {0: {**CLASS, 1: "Vendor", 2: "Model"}, 1: INSTANCE}
    assert len(made([environment, [CPAK]]).rows().keys) == 1
    feigned = {0: {**CLASS, 1: "a', layer 'b"}, 1: INSTANCE}
    assert made([feigned, [CPAK]]).rows().keys == ()


BAD: dict[str, Callable[[], Made]] = {
    "signed by another": lambda: replace(GOOD, key=corims.OTHER),
    "signed by nobody": lambda: replace(GOOD, key=None),
    "of yesterday": lambda: replace(GOOD, corim={4: corims.period(None, AT - corims.DAY)}),
}


@pytest.mark.parametrize("kind", BAD)
def test_keys_of_a_manifest_that_does_not_count_are_never_seen(kind: str) -> None:
    with pytest.raises(errors.EvidenceError):
        BAD[kind]().rows()


# --- to the end ----------------------------------------------------------------------


def printed(folder: Path, manifest: Made, *more: str) -> tuple[int, str]:
    (folder / "file.corim").write_bytes(manifest.data())
    (folder / "maker.pem").write_text(pem_of(KEY))
    ran = here(
        "corim", str(folder / "file.corim"), "--signer", str(folder / "maker.pem"),
        "--at", AT.isoformat(), *more,
    )  # fmt: skip
    return ran.code, ran.out


def test_the_printed_rows_verify_a_token_of_that_platform_and_of_no_other(tmp_path: Path) -> None:
    code, out = printed(tmp_path, GOOD)
    assert code == 0
    head = 'format = "charter-anchors/v1"\nowner = "operator"\n'
    rows = out[out.index("[[cca_platform]]") :]
    anchors = read_anchors((head + rows).encode())
    token = parse_token(cca.Made().token())
    claims = verify_token(token, endorsements=anchors.cca_platforms, at=AT)
    assert claims.attester_id == cca.INSTANCE.hex()
    elsewhere = cca.Made().on_platform(256, b"\1" + b"V" * 32)
    with pytest.raises(errors.EvidenceIncompleteError):
        verify_token(parse_token(elsewhere.token()), endorsements=anchors.cca_platforms, at=AT)
    forged = replace(cca.Made(), cpak=cca.OTHER)
    with pytest.raises(errors.EvidenceSignatureError):
        verify_token(parse_token(forged.token()), endorsements=anchors.cca_platforms, at=AT)


def test_keys_alone_are_enough_to_print(tmp_path: Path) -> None:
    code, out = printed(tmp_path, replace(GOOD, triples={3: [[PLATFORM, [CPAK]]]}))
    assert code == 0
    assert "[[technology.reference]]" not in out
    assert "[[cca_platform]]" in out
    code, out = printed(tmp_path, replace(GOOD, triples={3: [[{0: CLASS}, [CPAK]]]}))
    assert code == 1
    assert "[[cca_platform]]" not in out


def test_rows_are_as_strict_as_the_file_they_are_for() -> None:
    (row,) = GOOD.rows().keys
    assert CcaPlatform.model_validate(row.model_dump()) == row
