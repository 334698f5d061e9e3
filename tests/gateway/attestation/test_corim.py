"""Manifests of reference values: whose word counts, what becomes a row, and what is left."""

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import cbor
from gateway.attestation.corim import MAX_CORIM, Signer, parse_corim, verify_corim
from gateway.attestation.corim_rows import references
from gateway.attestation.errors import (
    EvidenceBindingError,
    EvidenceError,
    EvidenceExpiredError,
    EvidenceIncompleteError,
    EvidenceMalformedError,
    EvidenceSignatureError,
    EvidenceUnsupportedError,
)
from gateway.attestation.evidence import Technology
from tests.gateway.attestation.chains import AT, DAY
from tests.gateway.attestation.corims import (
    CLASS,
    INTEL,
    KEY,
    LATER,
    OTHER,
    PLATFORM,
    REALM,
    SHA256,
    SHA384,
    SHA512,
    SIGNER,
    Made,
    component,
    instant,
    measured,
    pem,
    period,
    plain,
)

# --- published manifests -------------------------------------------------------------

CASES = {"corim-signed", "corim-unsigned", "corim-cca"}
THEN = datetime(2025, 6, 1, tzinfo=UTC)


def _published(vectors: Path, case: str) -> bytes:
    cases = json.loads((vectors / "corim" / "expected.json").read_text())["cases"]
    found = {one["id"]: one for one in cases}
    assert found.keys() == CASES
    return (vectors / "corim" / found[case]["files"]["corim"]).read_bytes()


def test_a_published_manifest_of_an_unknown_signer_cannot_be_told(vectors: Path) -> None:
    corim = parse_corim(_published(vectors, "corim-signed"))
    assert corim.signer == "ACME Ltd signing key"
    with pytest.raises(EvidenceIncompleteError):
        verify_corim(corim, signers=(), at=THEN)
    with pytest.raises(EvidenceSignatureError):
        verify_corim(corim, signers=(SIGNER,), at=THEN)


def test_a_published_unsigned_manifest_is_read_and_says_what_no_row_does(vectors: Path) -> None:
    corim = parse_corim(_published(vectors, "corim-unsigned"))
    assert (corim.id, corim.profile, corim.message) == ("test corim id", None, None)
    assert [len(one.references[0].measurements) for one in corim.comids] == [3]
    with pytest.raises(EvidenceIncompleteError, match="not signed"):
        verify_corim(corim, signers=(), at=THEN)
    assert verify_corim(corim, signers=(), at=THEN, is_vouched=True) is None
    names = {"31fb5abf-023e-4992-aa4e-95f9c1503bfa": "launch"}
    found = references(corim, None, at=THEN, technology=Technology.SEV_SNP, names=names)
    assert found.rows == ()
    assert any("`launch` stands there twice" in words for words in found.left)


def test_a_published_manifest_of_a_platform_becomes_rows(vectors: Path) -> None:
    data = _published(vectors, "corim-cca")
    corim = parse_corim(data)
    found = references(corim, None, at=THEN)
    rows = {row.reference.measurement: row.reference for row in found.rows}
    assert found.technology is Technology.ARM_CCA
    assert rows.keys() == {"platform:RSE_BL1_2", "platform:RSE_BL2"}
    assert rows["platform:RSE_BL2"].any_of[0].startswith("53c234e5e4872b6ac51c1a1ecba3fe06")
    assert hashlib.sha256(data).hexdigest() in rows["platform:RSE_BL2"].source
    assert len(found.left) == 2  # two signers


# --- what becomes a row --------------------------------------------------------------


def test_a_signed_manifest_becomes_dated_rows_with_their_source() -> None:
    data = Made(corim={4: period(AT - DAY, LATER)}).data()
    corim = parse_corim(data)
    found = references(corim, verify_corim(corim, signers=(SIGNER,), at=AT), at=AT)
    (row,) = found.rows
    reference = row.reference
    assert reference.measurement == "platform:BL2"
    assert reference.any_of == ((b"a" * 32).hex(),)
    assert (reference.valid_from, reference.valid_until) == (date(2026, 5, 31), date(2026, 6, 10))
    digest = hashlib.sha256(data).hexdigest()
    told = ("vendor-corim", "54545454-5454-5454-5454-545454545454", "signed by Vendor", digest)
    assert all(words in reference.source for words in told)
    assert found.left == ()


TIME = {"_0": {0: "1.2"}, "_13": [cbor.Tagged(560, b"s" * 32)]}
GOOD: dict[str, tuple[Made, dict[str, list[int]]]] = {
    "digests of two lengths": (
        Made({0: [[CLASS, [component("B", SHA256, SHA384)]]]}),
        {"platform:B": [32, 48]},
    ),
    "two components": (
        Made({0: [[CLASS, [component("A"), component("B")]]]}),
        {"platform:A": [32], "platform:B": [32]},
    ),
    "alternatives of one component": (
        Made({0: [[CLASS, [component("A")]], [CLASS, [component("A", SHA512)]]]}),
        {"platform:A": [32, 64]},
    ),
    "version and signer beside a digest": (
        Made({0: [[CLASS, [component("A", **TIME)]]]}),
        {"platform:A": [32]},
    ),
    "a realm": (
        Made({0: [[CLASS, [measured("cca.rim", SHA512), measured("cca.rem0", SHA512)]]]},
             profile=cbor.Tagged(32, REALM)),
        {"realm-initial": [64], "realm-0": [64]},
    ),
    "a TDX module": (
        Made({0: [[{0: {1: "Intel Corporation", 2: "TDX SEAM"}}, [{1: {
            -83: cbor.Tagged(60020, [6, [SHA384, [7, b"d" * 48]]]), -73: 5}}]]]}, profile=INTEL),
        {"mrseam": [48, 48]},
    ),
    "no profile, and a key that is a name here": (
        plain(measured("launch", SHA384)), {"launch": [48]}
    ),
    "no profile, and a key with a name of the operator": (
        plain(measured(5, SHA384), names={"#5": "launch"}), {"launch": [48]}
    ),
    "registers of a TPM": (
        plain(measured("x", _14={0: [SHA256], 7: [SHA384]}), technology=Technology.TPM),
        {"sha256:0": [32], "sha384:7": [48]},
    ),
    "registers of an enclave": (
        plain(measured("x", _14={0: [SHA384]}), technology=Technology.NITRO), {"pcr0": [48]}
    ),
    "an authority that is the signer": (
        Made({0: [[CLASS, [{**component("A"), 2: [pem(OTHER), pem(KEY)]}]]]}),
        {"platform:A": [32]},
    ),
    "a digest by an algorithm that is not known beside one that is": (
        Made({0: [[CLASS, [component("A", SHA256, [10, b"z" * 32])]]]}), {"platform:A": [32]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_compared_becomes_a_row(name: str) -> None:
    made, rows = GOOD[name]
    assert made.digests() == rows


LEFT: dict[str, tuple[Made, str]] = {
    "a further condition": (
        Made({0: [[CLASS, [component("A", _3={3: False})]]]}), "as a whole (digests, flags, name)"
    ),
    "a raw value": (
        Made({0: [[CLASS, [measured("cca.platform-config", _4=cbor.Tagged(560, b"x"))]]]}),
        "(raw-value)",
    ),
    "a member of an extension": (
        Made({0: [[CLASS, [component("A", _100="x")]]]}), "(100, digests, name)"
    ),
    "one device alone": (
        Made({0: [[{**CLASS, 1: cbor.Tagged(550, b"\1" * 33)}, [component("A")]]]}),
        "for one device or group alone",
    ),
    "a group alone": (
        Made({0: [[{2: cbor.Tagged(560, b"g")}, [component("A")]]]}), "for one device or group"
    ),
    "one name twice": (
        Made({0: [[CLASS, [component("A"), component("A", SHA384)]]]}), "`platform:A` stands there"
    ),
    "another authority": (
        Made({0: [[CLASS, [{**component("A"), 2: [pem(OTHER)]}]]]}), "others than the signer"
    ),
    "an authority, and the operator vouches": (
        Made({0: [[CLASS, [{**component("A"), 2: [pem(KEY)]}]]]}, key=None, vouched=True),
        "others than the signer",
    ),
    "an algorithm that is not known": (
        Made({0: [[CLASS, [component("A", [6, b"x" * 4])]]]}), "a digest by algorithm 6"
    ),
    "digests that it must not be": (
        Made({0: [[{0: {2: "TDX SEAM"}}, [{1: {-83: cbor.Tagged(60020, [7, [SHA384]])}}]]]},
             profile=INTEL),
        "no digests that it may be",
    ),
    "another key": (Made({0: [[CLASS, [measured("other", SHA256)]]]}), "`other`: cannot be"),
    "a key that is no name here": (plain(measured("mrtd", SHA384)), "`mrtd`: cannot be"),
    "a register that is none": (
        plain(measured("x", _14={24: [SHA256]}), technology=Technology.TPM), "cannot be compared"
    ),
    "two digests of one register and bank": (
        plain(measured("x", _14={0: [SHA256, SHA256]}), technology=Technology.TPM),
        "cannot be compared",
    ),
    "endorsed values": (Made({1: [[CLASS, [component("A")]]]}), "endorsed values"),
    "attestation keys": (Made({3: [[CLASS, [pem(KEY)]]]}), "attestation keys"),
    "conditional endorsements": (Made({10: [[1]]}), "conditional endorsements"),
    "triples that are not known": (Made({99: [[1]]}), "triples of kind 99"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_cannot_be_compared_is_listed_and_becomes_no_row(name: str) -> None:
    made, words = LEFT[name]
    found = made.rows()
    assert found.rows == ()
    assert any(words in one for one in found.left), found.left


BESIDE: dict[str, tuple[Made, str]] = {
    "a CoSWID tag": (
        Made(corim={1: [cbor.Tagged(505, b"x"), *Made().content().value[1]]}), "a CoSWID tag"
    ),
    "a list of tags": (
        Made(corim={1: [cbor.Tagged(508, b"x"), *Made().content().value[1]]}), "(CoTL)"
    ),
    "a tag of another kind": (
        Made(corim={1: [cbor.Tagged(9, b"x"), *Made().content().value[1]]}), "of kind 9"
    ),
    "other manifests": (Made(corim={2: [{0: "https://x.example"}]}), "depends on others"),
    "a member that is not known": (Made(corim={9: 1}), "a member 9"),
    "a link": (Made(comid={3: [{0: "x", 1: 1}]}), "which it may replace"),
    "a member of the tag that is not known": (Made(comid={77: 1}), "a member 77"),
    "a version beside the digest": (
        Made({0: [[CLASS, [component("A", _0={0: "1"}, _1=cbor.Tagged(552, 3))]]]}),
        "not compared besides the digest: svn, version",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_rows_is_listed(name: str) -> None:
    made, words = BESIDE[name]
    found = made.rows()
    assert len(found.rows) == 1
    assert any(words in one for one in found.left), found.left


def test_two_states_of_several_parts_are_not_mixed() -> None:
    first = [CLASS, [component("A"), component("B")]]
    second = [CLASS, [component("A", SHA384), component("B", SHA384)]]
    made = Made({0: [first, second]})
    assert made.digests() == {"platform:A": [32], "platform:B": [32]}
    assert any("mixtures" in words for words in made.rows().left)


def test_rows_of_two_environments_are_told_apart() -> None:
    other: Any = {0: {0: cbor.Tagged(560, b"J" * 32)}}
    found = Made({0: [[CLASS, [component("A")]], [other, [component("A", SHA384)]]]}).rows()
    assert len(found.environments) == 2
    assert [len(row.reference.any_of) for row in found.rows] == [1, 1]


@pytest.mark.parametrize(
    ("begins", "ends", "first", "last"),
    [
        (AT, AT + DAY, date(2026, 6, 1), date(2026, 6, 1)),
        (AT - timedelta(hours=1), AT + 2 * DAY - timedelta(seconds=1), date(2026, 6, 1),
         date(2026, 6, 2)),
        (None, AT + DAY + timedelta(hours=12), date(2026, 6, 1), date(2026, 6, 1)),
    ],
)  # fmt: skip
def test_rows_count_on_whole_days_alone(
    begins: datetime | None, ends: datetime, first: date, last: date
) -> None:
    (row,) = Made(corim={4: period(begins, ends)}).rows().rows
    assert (row.reference.valid_from, row.reference.valid_until) == (first, last)


def test_rows_end_with_the_signature() -> None:
    signer = {0: {0: "Vendor"}, 1: period(None, AT + 2 * DAY)}
    (row,) = Made(signer=signer, corim={4: period(None, LATER)}).rows().rows
    assert row.reference.valid_until == date(2026, 6, 2)


# --- damage --------------------------------------------------------------------------

_CWT = {1: "Vendor", 4: int(LATER.timestamp())}
BAD: dict[str, tuple[Made, type[EvidenceError]]] = {
    "signed by another": (Made(key=OTHER), EvidenceSignatureError),
    "a bit of the signature": (
        Made(change=lambda d: d[:-1] + bytes([d[-1] ^ 1])), EvidenceSignatureError
    ),
    "a signature one byte short": (
        Made(change=lambda d: cbor.dumps(_cut(d))), EvidenceSignatureError
    ),
    "a digest changed": (
        Made(change=lambda d: d.replace(b"a" * 32, b"e" * 32)), EvidenceSignatureError
    ),
    "the name of the signer changed": (
        Made(change=lambda d: d.replace(b"Vendor", b"Vondor")), EvidenceSignatureError
    ),
    "nobody pinned": (Made(signers=()), EvidenceIncompleteError),
    "pinned for another key id": (
        Made(signers=(Signer("Vendor", KEY.public_key(), b"2"),), protected={4: b"1"}),
        EvidenceIncompleteError,
    ),
    "pinned with a key of another curve": (
        Made(signers=(Signer("V", ec.generate_private_key(ec.SECP384R1()).public_key()),)),
        EvidenceIncompleteError,
    ),
    "unsigned": (Made(key=None), EvidenceIncompleteError),
    "signed, and vouched for, by nobody pinned": (
        Made(signers=(), vouched=True), EvidenceIncompleteError
    ),
    "another content type": (Made(protected={3: "application/cbor"}), EvidenceUnsupportedError),
    "no content type": (Made(protected={3: ...}), EvidenceUnsupportedError),
    "signed by hash": (Made(protected={258: -16}), EvidenceUnsupportedError),
    "nobody says who signed": (Made(protected={8: ...}), EvidenceMalformedError),
    "a critical header that is not known": (
        Made(protected={2: [99], 99: 1}), EvidenceMalformedError
    ),
    "meta and claims contradict one another": (
        Made(protected={15: {1: "Other"}}), EvidenceMalformedError
    ),
    "meta that is a map and no bytes": (
        Made(protected={8: {0: {0: "Vendor"}}}), EvidenceMalformedError
    ),
    "the signature has ended": (
        Made(signer={0: {0: "Vendor"}, 1: period(None, AT - DAY)}), EvidenceExpiredError
    ),
    "the claims have ended": (
        Made(protected={8: ..., 15: {**_CWT, 4: int(AT.timestamp()) - 1}}), EvidenceExpiredError
    ),
    "the manifest has ended": (
        Made(corim={4: period(None, AT - DAY)}), EvidenceExpiredError
    ),
    "the manifest has not begun": (
        Made(corim={4: period(AT + DAY, LATER)}), EvidenceExpiredError
    ),
    "valid for no whole day": (
        Made(corim={4: period(AT + timedelta(hours=-2), AT + timedelta(hours=2))}),
        EvidenceExpiredError,
    ),
    "an end before 1970": (
        Made(corim={4: {1: cbor.Tagged(1, -1)}}), EvidenceMalformedError
    ),
    "an end that is no number": (
        Made(corim={4: {1: cbor.Tagged(1, float("nan"))}}), EvidenceMalformedError
    ),
    "an end without a tag": (Made(corim={4: {1: 1}}), EvidenceMalformedError),
    "no end": (Made(corim={4: {0: instant(AT)}}), EvidenceMalformedError),
    "cut off": (Made(change=lambda d: d[:-1]), EvidenceMalformedError),
    "bytes after it": (Made(change=lambda d: d + b"\0"), EvidenceMalformedError),
    "another tag": (Made(key=None, change=lambda d: b"\xd9\x01\xf7" + d[3:]),
                    EvidenceMalformedError),
    "an older draft": (Made(key=None, change=lambda d: b"\xd9\x01\xf4" + d),
                       EvidenceUnsupportedError),
    "no tags": (Made(corim={1: []}), EvidenceMalformedError),
    "no id": (Made(corim={0: ...}), EvidenceMalformedError),
    "an id with a line break": (Made(corim={0: "a\nb"}), EvidenceMalformedError),
    "an id that is too long": (Made(corim={0: "a" * 81}), EvidenceMalformedError),
    "a tag that is no bytes": (Made(corim={1: [cbor.Tagged(506, {})]}), EvidenceMalformedError),
    "a tag with bytes after it": (
        Made(corim={1: [cbor.Tagged(506, b"\xa0\0")]}), EvidenceMalformedError
    ),
    "no triples": (Made({}), EvidenceMalformedError),
    "triples of nothing": (Made({0: []}), EvidenceMalformedError),
    "no environment": (Made({0: [[{}, [component("A")]]]}), EvidenceMalformedError),
    "no values": (Made({0: [[CLASS, [{1: {}}]]]}), EvidenceMalformedError),
    "a digest of another length": (
        Made({0: [[CLASS, [component("A", [1, b"x" * 31])]]]}), EvidenceMalformedError
    ),
    "two digests by one algorithm": (
        Made({0: [[CLASS, [component("A", SHA256, ["sha-256", b"x" * 32])]]]}),
        EvidenceMalformedError,
    ),
    "an algorithm that is true": (
        Made({0: [[CLASS, [component("A", [True, b"x" * 32])]]]}), EvidenceMalformedError
    ),
    "a version that is negative": (Made(comid={1: {0: "x", 1: -1}}), EvidenceMalformedError),
    "a profile that is not known": (Made(profile="tag:x"), EvidenceUnsupportedError),
    "values of PSA": (Made(profile="tag:arm.com,2025:psa#1.0.0"), EvidenceUnsupportedError),
    "a profile of another technology": (
        Made(technology=Technology.TDX), EvidenceBindingError
    ),
    "no profile and no technology": (Made(profile=...), EvidenceIncompleteError),
    "a technology without reference values": (
        plain(measured("x", SHA256), technology=Technology.EAR), EvidenceUnsupportedError
    ),
    "a name of no measurement": (
        plain(measured("x", SHA256), names={"x": "mrtd"}), EvidenceBindingError
    ),
}  # fmt: skip


def _cut(data: bytes) -> Any:
    message: Any = cbor.loads(data)
    return cbor.Tagged(18, [*message.value[:3], message.value[3][:-1]])


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_manifest_gives_no_rows(name: str) -> None:
    made, error = BAD[name]
    with pytest.raises(EvidenceError) as raised:
        made.rows()
    assert type(raised.value) is error, raised.value


def test_a_signature_that_has_ended_is_refused_before_anything_is_made_of_it() -> None:
    made = Made(signer={0: {0: "Vendor"}, 1: period(None, LATER)})
    assert made.verified()[1] == SIGNER
    with pytest.raises(EvidenceExpiredError, match="the signature"):
        made.with_(at=LATER + DAY).verified()


def test_a_manifest_that_has_ended_since_still_counts_at_its_time() -> None:
    made = Made(corim={4: period(None, LATER)})
    assert made.rows().rows
    with pytest.raises(EvidenceExpiredError):
        made.with_(at=LATER + DAY).rows()


def test_claims_in_place_of_the_meta_map_say_who_signed() -> None:
    (row,) = Made(protected={8: ..., 15: _CWT}).rows().rows
    assert row.reference.valid_until == date(2026, 6, 10)


def test_a_key_that_the_message_brings_is_not_believed() -> None:
    made = Made(key=OTHER, protected={33: b"certificate"}, signers=())
    with pytest.raises(EvidenceIncompleteError):
        made.rows()


def test_identifiers_of_different_kinds_are_never_the_same() -> None:
    spelled = [
        cbor.Tagged(560, b"I" * 16),
        cbor.Tagged(37, b"I" * 16),
        cbor.Tagged(111, b"I" * 16),
        cbor.Tagged(560, b"I" * 2000),
        cbor.Tagged(560, b"J" * 2000),
    ]
    triples = {0: [[{0: {0: one}}, [component("A")]] for one in spelled]}
    assert len(Made(triples).rows().environments) == len(spelled)


def test_rows_by_an_odd_encoding_are_the_same() -> None:
    """Indefinite lengths (RFC 8949, section 3.2) are no other manifest."""
    comid = b"\xbf" + cbor2.dumps({1: {0: b"T" * 16}})[1:]
    comid += cbor2.dumps({4: Made().triples}, default=_tag)[1:] + b"\xff"
    made = Made(corim={1: [cbor.Tagged(506, comid)]})
    assert made.digests() == Made().digests()


def _tag(encoder: Any, value: Any) -> None:
    encoder.encode(cbor2.CBORTag(value.tag, value.value))


# --- hostile bytes -------------------------------------------------------------------


def _all(data: bytes) -> None:
    """Whatever comes of the bytes, it is no other error."""
    try:
        corim = parse_corim(data)
        verify_corim(corim, signers=(SIGNER,), at=AT, is_vouched=True)
    except EvidenceError:
        return
    for technology in (None, *Technology):
        try:
            references(corim, None, at=AT, technology=technology)
        except EvidenceError:
            continue


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-130, 600) | st.binary(max_size=64)
    | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.integers(-90, 20) | st.text(max_size=3), inner, max_size=4)
    | st.builds(cbor.Tagged, st.sampled_from([1, 18, 32, 37, 111, 501, 506, 550, 554, 560, 60020]),
                inner),
    max_leaves=12,
)  # fmt: skip
_QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_QUICK
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_evidence_is(data: bytes) -> None:
    _all(data)
    _all(b"\xd9\x01\xf5" + data)


@_QUICK
@given(value=_VALUES, place=st.integers(0, 8))
def test_any_value_in_any_place_is_refused_as_evidence_is(value: Any, place: int) -> None:
    """A manifest that holds but for one value."""
    made: Callable[[], Made] = [
        lambda: Made(value, key=None),
        lambda: Made({0: value}, key=None),
        lambda: Made({0: [[value, [component("A")]]]}, key=None),
        lambda: Made({0: [[CLASS, value]]}, key=None),
        lambda: Made({0: [[CLASS, [{0: value, 1: {2: [SHA256]}}]]]}, key=None),
        lambda: Made({0: [[CLASS, [{1: value}]]]}, key=None),
        lambda: Made({0: [[CLASS, [component("A", value)]]]}, key=None),
        lambda: Made(corim={4: value}, key=None),
        lambda: Made({0: [[CLASS, [{**component("A"), 2: value}]]], 3: value}, key=None),
    ][place]
    _all(made().data())


@_QUICK
@given(st.data())
def test_a_flip_or_a_cut_anywhere_is_refused_as_evidence_is(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([Made().data(), Made(key=None).data()]))
    at = data.draw(st.integers(0, len(good) - 1))
    _all(good[:at])
    _all(good[:at] + bytes([good[at] ^ 1 << data.draw(st.integers(0, 7))]) + good[at + 1 :])


def test_a_manifest_beyond_the_bound_is_not_read() -> None:
    with pytest.raises(EvidenceMalformedError, match="more than"):
        parse_corim(b"\xd9\x01\xf5" * MAX_CORIM)


def test_lengths_that_lie_cost_no_memory() -> None:
    lies = [bytes([major << 5 | 27]) + b"\0\0\0\xff\xff\xff\xff\xff" for major in range(7)]
    tracemalloc.start()
    for lie in lies:
        with pytest.raises(EvidenceMalformedError):
            parse_corim(b"\xd9\x01\xf5" + lie)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024


def test_a_profile_is_known_by_its_object_identifier() -> None:
    assert Made(profile=INTEL).parsed().profile == "2.16.840.1.113741.1.16.1"
    assert Made(profile=cbor.Tagged(32, PLATFORM)).parsed().profile == PLATFORM
