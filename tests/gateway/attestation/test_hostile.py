"""Every parser and verifier of evidence under bytes that somebody else chose: good evidence, with
parts flipped, cut, repeated, put in the place of others, and lengths at their extremes.

Nothing but an error of evidence may come out. Time is counted in calls and not read from a clock,
so that a busy machine fails no test; memory is the peak of what was allocated.
"""

import struct
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import FrameType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import cbor
from gateway.attestation import (
    anchors,
    arm_cca,
    azure,
    azure_tdx,
    bundle,
    chain,
    corim,
    ear_token,
    nitro,
    nras,
    nvidia_gpu,
    ocsp,
    policy,
    rim,
    sev_snp,
    tdx_collateral,
    tdx_quote,
    tpm,
    tpm_event_log,
    tpm_structures,
    xml_signed,
)
from gateway.attestation.corim_rows import references
from gateway.attestation.errors import AppraisalPolicyError, EvidenceError
from gateway.attestation.evidence import Technology
from gateway.attestation.verifiers import VERIFIERS
from tests.gateway.attestation import (
    answers,
    cca,
    corims,
    ears,
    enclave,
    gpu,
    rims,
    snp,
    tdx,
    test_azure,
    test_azure_tdx,
    test_nras,
    tpms,
)
from tests.gateway.attestation.chains import AT, issue, revoked
from tests.gateway.attestation.pcrs import pcr_file

Parts = Mapping[str, bytes]


@dataclass(frozen=True)
class Good:
    """Evidence that holds, in its parts, and what looks at it."""

    parts: Parts
    look: Callable[[Parts], object]


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _snp() -> Good:
    made = snp.made()
    ask, ark = made.chain
    parts = {"report": made.report, "vek": der(made.vek), "ask": der(ask), "ark": der(ark)}

    def look(parts: Parts) -> object:
        return sev_snp.verify_report(
            sev_snp.parse_report(parts["report"]),
            vek=chain.read_certificate(parts["vek"]),
            chain=[chain.read_certificate(parts[name]) for name in ("ask", "ark")],
            at=AT,
            anchors=made.anchors,
        )

    return Good(parts, look)


def _azure() -> Good:
    good = test_azure.GOOD
    made, report = good.snp_and_report()
    message = good.quoted.message()
    parts = {
        "hcl": report,
        "message": message,
        "signature": good.quoted.signature(message)[6:],
        "pcrs": pcr_file(good.quoted.values),
        "vek": der(made.vek),
    }

    def look(parts: Parts) -> object:
        return azure.verify_snp(
            azure.parse_hcl_report(parts["hcl"]),
            vek=chain.read_certificate(parts["vek"]),
            chain=made.chain,
            at=AT,
            anchors=made.anchors,
            quote=azure.raw_quote(parts["message"], parts["signature"]),
            values=tpm_structures.parse_pcr_file(parts["pcrs"]),
        )

    return Good(parts, look)


def _tpm() -> Good:
    made = tpms.Made()
    message = made.message()
    parts = {
        "message": message,
        "signature": made.signature(message),
        "pcrs": pcr_file(made.values),
        "public": tpms.public().raw,
    }

    def look(parts: Parts) -> object:
        area = tpm_structures.parse_public(parts["public"])
        return tpm.verify_quote(
            tpm.parse_quote(parts["message"], parts["signature"]),
            key=tpm.AttestationKey(area.key, tpm.Vouched.PINNED, area),
            values=tpm_structures.parse_pcr_file(parts["pcrs"]),
        )

    return Good(parts, look)


def _event_log() -> Good:
    digests = {tpm_structures.SHA256: b"d" * 32}
    log = tpms.spec_id((tpm_structures.SHA256, 32))
    log += b"".join(tpms.event(index, 8, digests, b"data") for index in range(4))

    def look(parts: Parts) -> object:
        found = tpm_event_log.parse_event_log(parts["log"])
        return tpm_event_log.check_events(found, tpms.VALUES, tpm_structures.SHA256)

    return Good({"log": log}, look)


def _nitro() -> Good:
    made = enclave.Made()

    def look(parts: Parts) -> object:
        document = nitro.parse_document(parts["document"])
        return nitro.verify_document(document, at=made.at, anchors=made.anchors)

    return Good({"document": made.document()}, look)


def _cca() -> Good:
    def look(parts: Parts) -> object:
        token = arm_cca.parse_token(parts["token"])
        return arm_cca.verify_token(token, endorsements=(cca.ENDORSED,), at=AT)

    return Good({"token": cca.Made().token()}, look)


def _gpu() -> Good:
    made = gpu.Made()
    leaf, *above = made.path()
    root = frozenset({chain.fingerprint(above[-1])})
    parts = {"report": made.report(), "leaf": der(leaf)}

    def look(parts: Parts) -> object:
        report = nvidia_gpu.parse_report(parts["report"])
        path = (chain.read_certificate(parts["leaf"]), *above)
        return nvidia_gpu.verify_report(report, chain=path, at=AT, anchors=root)

    return Good(parts, look)


def _gpu_with_manifests() -> Good:
    """What comes with a report: two manifests and an answer about a certificate."""
    made, (root, brom) = gpu.Made(), gpu.authorities()
    answer = answers.Made(root, (brom.certificate,))
    parts = {"driver": rims.driver().data(), "vbios": rims.vbios().data(), "ocsp": answer.data()}

    def look(parts: Parts) -> object:
        return nvidia_gpu.verify_report(
            made.parsed(),
            chain=made.path(),
            at=AT,
            anchors=frozenset({chain.fingerprint(root.certificate)}),
            rims=[xml_signed.parse_signed_xml(parts[name]) for name in ("driver", "vbios")],
            rim_anchors=rims.anchors(),
            answers=[ocsp.parse_answer(parts["ocsp"])],
        )

    return Good(parts, look)


def _manifest() -> Good:
    """By itself, so that more changes come to the signature and behind it."""

    def look(parts: Parts) -> object:
        found = xml_signed.parse_signed_xml(parts["rim"])
        return rim.verify_rim(found, at=AT, anchors=rims.anchors())

    return Good({"rim": rims.driver().data()}, look)


def _nras() -> Good:
    made = test_nras.MADE
    return Good({"answer": made.answer()}, lambda parts: made.verify(parts["answer"]))


def _ear(made: ears.Made) -> Good:
    return Good({"token": made.token()}, lambda parts: made.verify(parts["token"]))


def _tdx() -> Good:
    made = tdx.Made()
    held = made.collateral()
    lists = {"root_crl": held.root_crl or b"", "pck_crl": held.pck_crl or b""}

    def look(parts: Parts) -> object:
        changes = {name: parts[name] for name in lists}
        return replace(made, raw=parts["quote"], changes=changes).verify()

    return Good({"quote": made.quote(), **lists}, look)


def _azure_tdx() -> Good:
    made = test_azure_tdx.GOOD
    guest, report = made.guest_and_report()
    message = made.quoted.message()
    parts = {
        "hcl": report,
        "td_quote": guest.quote(),
        "message": message,
        "signature": made.quoted.signature(message)[6:],
        "pcrs": pcr_file(made.quoted.values),
    }

    def look(parts: Parts) -> object:
        return azure_tdx.verify_tdx(
            azure.parse_hcl_report(parts["hcl"]),
            td_quote=tdx_quote.parse_quote(parts["td_quote"]),
            collateral=guest.collateral(),
            quote=azure.raw_quote(parts["message"], parts["signature"]),
            values=tpm_structures.parse_pcr_file(parts["pcrs"]),
            at=guest.at,
            anchors=made.anchors(),
        )

    return Good(parts, look)


def _corim(made: corims.Made) -> Good:
    def look(parts: Parts) -> object:
        found = corim.parse_corim(parts["corim"])
        signer = corim.verify_corim(found, signers=made.signers, at=AT, is_vouched=True)
        return references(found, signer, at=AT)

    return Good({"corim": made.data()}, look)


def _certificates() -> Good:
    authority = issue("authority", ca=True)
    crl = revoked(authority, authority.certificate).public_bytes(Encoding.DER)
    parts = {"certificate": der(authority.certificate), "crl": crl}

    def look(parts: Parts) -> object:
        return chain.read_certificate(parts["certificate"]), chain.read_crl(parts["crl"])

    return Good(parts, look)


MAKERS: Mapping[str, Callable[[], Good]] = {
    "sev-snp": _snp,
    "azure-snp-vtpm": _azure,
    "tpm": _tpm,
    "event log": _event_log,
    "nitro": _nitro,
    "arm-cca": _cca,
    "nvidia-gpu": _gpu,
    "nvidia-gpu with manifests": _gpu_with_manifests,
    "manifest of a GPU": _manifest,
    "answer of NVIDIA's service": _nras,
    "ear": lambda: _ear(ears.Made()),
    "ear in CBOR": lambda: _ear(ears.CBOR),
    "tdx": _tdx,
    "azure-tdx-vtpm": _azure_tdx,
    "corim": lambda: _corim(corims.Made()),
    "corim, unsigned": lambda: _corim(corims.Made(key=None)),
    "certificates": _certificates,
}


@cache
def good(name: str) -> Good:
    return MAKERS[name]()


def test_every_technology_that_is_verified_is_tried() -> None:
    tried = {Technology(name) for name in MAKERS if name in {t.value for t in Technology}}
    assert VERIFIERS.keys() <= tried


# --- what is done to it --------------------------------------------------------------

Change = Callable[[bytes], bytes]
_EXTREMES = (0, 1, 2**7 - 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


@st.composite
def changed(draw: st.DrawFn, name: str) -> Parts:
    """Good evidence with one to three changes."""
    parts = dict(good(name).parts)
    for _ in range(draw(st.integers(1, 3))):
        part = draw(st.sampled_from(sorted(parts)))
        data = parts[part]
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        parts[part] = draw(st.sampled_from(CHANGES))(draw, data, at, parts)
    return parts


def _flip(draw: st.DrawFn, data: bytes, at: int, _: Parts) -> bytes:
    return (
        data[:at]
        + bytes([(data[at : at + 1] or b"\0")[0] ^ 1 << draw(st.integers(0, 7))])
        + (data[at + 1 :])
    )


def _cut(draw: st.DrawFn, data: bytes, at: int, _: Parts) -> bytes:
    return draw(st.sampled_from([data[:at], data[at:], data[:at] + data[at + 1 :]]))


def _stretch(draw: st.DrawFn, data: bytes, at: int, _: Parts) -> bytes:
    size = draw(st.integers(1, 64))
    piece = data[at : at + size] * draw(st.integers(1, 32))
    return data[:at] + piece + data[at:]


def _splice(draw: st.DrawFn, data: bytes, at: int, parts: Parts) -> bytes:
    """A stretch of other evidence, over this or between."""
    others = [*parts.values(), *good(draw(st.sampled_from(sorted(MAKERS)))).parts.values()]
    other = draw(st.sampled_from(others))
    start = draw(st.integers(0, max(len(other) - 1, 0)))
    piece = other[start : start + draw(st.integers(1, 200))]
    return data[:at] + piece + data[at + draw(st.sampled_from([0, len(piece)])) :]


def _length(draw: st.DrawFn, data: bytes, at: int, _: Parts) -> bytes:
    """A number at its extremes, in either order of bytes, and heads of CBOR with it."""
    size = draw(st.sampled_from([1, 2, 4, 8]))
    value = draw(st.sampled_from(_EXTREMES)) % 2 ** (8 * size)
    number = value.to_bytes(size, draw(st.sampled_from(["little", "big"])))
    major = draw(st.sampled_from([None, 2, 3, 4, 5, 6]))
    head = b"" if major is None else bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]])
    return data[:at] + head + number + data[at + len(head) + size :]


def _swap(draw: st.DrawFn, data: bytes, _: int, parts: Parts) -> bytes:
    others = good(draw(st.sampled_from(sorted(MAKERS)))).parts
    return draw(st.sampled_from([*parts.values(), *others.values(), b"", data + data]))


CHANGES = (_flip, _flip, _cut, _stretch, _splice, _length, _length, _swap)


# --- how it is watched ---------------------------------------------------------------


def counted(look: Callable[[], object]) -> tuple[int, bool]:
    """How many calls looking takes, and whether the evidence held. Calls are those of Python and
    those out of it: loops of this code make some."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        look()
        held = True
    except EvidenceError:
        held = False
    finally:
        sys.setprofile(before)
    return calls, held


def peak(look: Callable[[], object]) -> int:
    """The most bytes that looking held at once."""
    tracemalloc.start()
    try:
        look()
    except EvidenceError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


@pytest.mark.parametrize("name", MAKERS)
def test_evidence_that_is_not_changed_holds(name: str) -> None:
    """Else nothing behind the first check would be tried below."""
    one = good(name)
    if name == "event log":  # of registers of its own
        tpm_event_log.parse_event_log(one.parts["log"])
        return
    assert one.look(one.parts)


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_changed_evidence_makes_no_other_error_and_little_work(
    name: str, data: st.DataObject
) -> None:
    one, parts = good(name), data.draw(changed(name))
    calls, _ = counted(lambda: one.look(parts))
    size = sum(map(len, parts.values()))
    assert calls < 20_000 + 40 * size


# --- as much as may be ---------------------------------------------------------------

# Heads that promise the most for the fewest bytes, and what fills a bound with small items.
_FILLS: Sequence[bytes] = (
    b"\0", b"\xff", b"\x80", b"\x81", b"\xa0", b"\x9f", b"\xbf\x00", b"\x5f", b"\xc1", b"\x40",
    b"[", b"{", b"<a>", b"&a;", b'"', b"[[],", b"0", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\n",
)  # fmt: skip
PARSERS: Mapping[str, tuple[Callable[[bytes], object], str]] = {
    "report of SEV-SNP": (sev_snp.parse_report, "sev-snp"),
    "HCL report": (azure.parse_hcl_report, "azure-snp-vtpm"),
    "quote of a TPM": (lambda data: tpm.parse_quote(data, data), "tpm"),
    "public area": (tpm_structures.parse_public, "tpm"),
    "file of PCRs": (tpm_structures.parse_pcr_file, "tpm"),
    "event log": (tpm_event_log.parse_event_log, "event log"),
    "document of Nitro": (nitro.parse_document, "nitro"),
    "token of CCA": (arm_cca.parse_token, "arm-cca"),
    "report of a GPU": (nvidia_gpu.parse_report, "nvidia-gpu"),
    "manifest of a GPU": (xml_signed.parse_signed_xml, "manifest of a GPU"),
    "OCSP answer": (ocsp.parse_answer, "nvidia-gpu with manifests"),
    "answer of NVIDIA's service": (nras.parse_result, "answer of NVIDIA's service"),
    "token of a verifier": (ear_token.parse_token, "ear"),
    "quote of TDX": (tdx_quote.parse_quote, "tdx"),
    "collateral of TDX": (tdx_collateral.parse_collateral, "tdx"),
    "CoRIM": (corim.parse_corim, "corim"),
    "certificate": (chain.read_certificate, "certificates"),
    "chain in PEM": (chain.read_pem_chain, "certificates"),
    "revocation list": (chain.read_crl, "certificates"),
    "bundle": (bundle.read_bundle, "ear"),
    "anchors": (anchors.read_anchors, "ear"),
    "policy": (policy.read_policy, "ear"),
}
_MOST = 4 * 1024 * 1024
_SMALL, _LARGE = 16 * 1024 - 300, 1024 * 1024 - 300


def _filled(name: str) -> list[bytes]:
    """Bytes up to and beyond any bound, some behind a good beginning."""
    halves = [part[: len(part) // 2] for part in good(PARSERS[name][1]).parts.values()]
    starts = [b"", b"\xd9\x01\xf5", b"\x84\x43\xa1\x01\x26\xa0", *halves[:2]]
    small = [start + fill * (_SMALL // len(fill)) for start in starts for fill in _FILLS]
    large = [fill * (_LARGE // len(fill)) for fill in _FILLS]
    # Small items that each cost much more than their byte.
    return [*small, *large, b"\xd9\x01\xf5\x9f" + b"\xa0" * _LARGE]


@pytest.mark.parametrize("name", PARSERS)
def test_bytes_up_to_any_bound_cost_memory_in_proportion(name: str) -> None:
    read = PARSERS[name][0]
    for data in _filled(name):
        most = peak(lambda data=data: read(data))
        assert most < _MOST + 40 * len(data), (data[:40], len(data), most)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_lengths_at_their_extremes_cost_nothing(name: str, order: str) -> None:
    """At every place of good evidence in turn, with little behind it."""
    read, made = PARSERS[name]
    for part in good(made).parts.values():
        for at in range(min(len(part), 400)):
            lie = part[:at] + struct.pack(f"{order}I", 2**32 - 1) + part[at + 4 :]
            calls, _ = counted(lambda lie=lie: read(lie))
            assert calls < 20_000 + 40 * len(part)


@pytest.mark.parametrize("read", [anchors.read_anchors, policy.read_policy])
@pytest.mark.parametrize(
    "data", [b"a." * 2_000 + b"a=1", b"a=" + b"9" * 5_000, b"a=" + b"[" * 5_000, b"a=\xff"],
    ids=["a key of many parts", "a number of many digits", "a deep list", "no UTF-8"],
)  # fmt: skip
def test_files_of_toml_that_its_reader_fails_at_are_refused(
    read: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(AppraisalPolicyError):
        read(data)


def test_a_parser_that_counts_on_a_length_would_be_noticed() -> None:
    """The measures themselves: a loop and an allocation by a number in the bytes."""

    def loop(data: bytes) -> None:
        for _ in range(int.from_bytes(data[:3])):
            len(data)

    assert counted(lambda: loop(b"\0\xff\xff"))[0] > 20_000 + 40 * 3
    assert peak(lambda: bytes(int.from_bytes(b"\x02\0\0\0"))) > _MOST + 40 * 4
    with pytest.raises(cbor.CborError):
        counted(lambda: cbor.loads(b"\xff"))
