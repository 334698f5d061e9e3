"""NVIDIA GPUs: real reports of public repositories, and reports made here, damaged one thing
at a time."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.attestation import errors
from gateway.attestation.anchors import Anchors
from gateway.attestation.appraise import appraise
from gateway.attestation.bundle import FORMAT, read_bundle
from gateway.attestation.chain import fingerprint, read_pem_chain
from gateway.attestation.evidence import Claims, Technology
from gateway.attestation.freshness import check_bound
from gateway.attestation.gpus import binding, with_gpus
from gateway.attestation.nvidia_gpu import (
    MAX_REPORT,
    ROOT,
    parse_report,
    verify_report,
)
from gateway.attestation.policy import read_policy
from gateway.attestation.result import Freshness, Verdict
from gateway.attestation.verifiers import verify_bundle
from tests.gateway.attestation import gpu
from tests.gateway.attestation.chains import AT, DAY, issue
from tests.gateway.attestation.gpu import FIELDS, FWID, Made

MADE = Made()
DATA = MADE.report()

# --- real reports --------------------------------------------------------------------

REAL: dict[str, type[errors.EvidenceError] | str] = {
    "gpu-hopper": "590.12",
    "gpu-hopper-sample-nonce": "550.90.07",
    "gpu-chain-root-only": errors.EvidenceChainError,
    "gpu-chain-gap": errors.EvidenceChainError,
    "gpu-chain-no-leaf": errors.EvidenceChainError,
    "gpu-trailing-byte": "580.95.05",
}
ELSEWHERE = {"gpu-nras-token", "gpu-driver-rim"}


def expected(folder: Path) -> dict[str, dict[str, Any]]:
    listed = json.loads((folder / "expected.json").read_bytes())["cases"]
    return {one["id"]: one for one in listed}


def real(folder: Path, files: dict[str, str]) -> tuple[bytes, bytes]:
    """Report and chain."""
    if "evidence" in files:
        found = json.loads((folder / files["evidence"]).read_bytes())[0]
        return base64.b64decode(found["evidence"]), base64.b64decode(found["certificate"])
    text = (folder / files["report"]).read_text()
    return bytes.fromhex(text), (folder / files["chain"]).read_bytes()


def test_no_real_case_is_left_out(vectors: Path) -> None:
    found = expected(vectors / "nvidia-gpu")
    assert found.keys() == REAL.keys() | ELSEWHERE
    for name, outcome in REAL.items():
        assert (found[name]["verdict"] == "accept") == isinstance(outcome, str)


@pytest.mark.parametrize("name", REAL)
def test_real_reports_get_their_verdict(vectors: Path, name: str) -> None:
    folder, outcome = vectors / "nvidia-gpu", REAL[name]
    case = expected(folder)[name]
    report, chain = real(folder, case["files"])
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            verify_report(parse_report(report), chain=read_pem_chain(chain), at=AT)
        return
    claims = verify_report(parse_report(report), chain=read_pem_chain(chain), at=AT)
    assert claims.bound.hex() == case["facts"]["nonce_hex"]
    assert (claims.product, claims.detail["driver"]) == ("GH100", outcome)
    assert len(claims.measurements) == 64
    assert judge(claims) == (Verdict.UNDECIDED, "whether it can be debugged")


def test_a_real_report_says_what_the_service_of_the_maker_says_of_it(vectors: Path) -> None:
    folder = vectors / "nvidia-gpu"
    files = expected(folder)["gpu-hopper-sample-nonce"]["files"]
    report, chain = real(folder, files)
    claims = verify_report(parse_report(report), chain=read_pem_chain(chain), at=AT)
    token = json.loads((folder / "nras-detached-eat-v3.json").read_bytes())[1]["GPU-0"]
    told = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims.detail["driver"] == told["x-nvidia-gpu-driver-version"]
    assert claims.detail["vbios"] == told["x-nvidia-gpu-vbios-version"]
    assert int(claims.attester_id or "", 16) == int(told["ueid"])
    assert claims.bound.hex() == told["eat_nonce"]


def test_the_published_authority_is_the_one_that_is_pinned(vectors: Path) -> None:
    pem = (vectors / "nvidia-gpu" / "nvidia-device-identity-root.pem").read_bytes()
    assert [fingerprint(one) for one in read_pem_chain(pem)] == [ROOT]


def test_every_byte_of_a_real_report_is_signed(vectors: Path) -> None:
    folder = vectors / "nvidia-gpu"
    report, pem = real(folder, expected(folder)["gpu-hopper"]["files"])
    chain = read_pem_chain(pem)
    for at in range(0, len(report), 41):
        changed = report[:at] + bytes([report[at] ^ 0x10]) + report[at + 1 :]
        with pytest.raises(errors.EvidenceError):
            verify_report(parse_report(changed), chain=chain, at=AT)


# --- reports made here ---------------------------------------------------------------

POLICY = read_policy(b"""
format = "charter-appraisal/v1"
id = "gpu"
owner = "tests"
source = "tests"
valid_from = 2020-01-01
[[technology]]
name = "nvidia-gpu"
products = ["GH100"]
without_revocation = true
[[technology.floor]]
product = "GH100"
firmware = { driver = 550090007, vbios = 0x96007400 }
source = "tests"
valid_from = 2020-01-01
[[technology.reference]]
measurement = "index2"
waived = "no reference values of the maker are at hand"
source = "tests"
valid_from = 2020-01-01
""")


def judge(claims: Claims) -> tuple[Verdict, str]:
    result = appraise(claims, POLICY, at=AT, freshness=Freshness.BACKGROUND, evidence_sha256="")
    return result.verdict, "; ".join(result.lacking)


def test_a_report_tells_what_it_is_of() -> None:
    claims = MADE.verify()
    assert (claims.product, claims.technology) == ("GH100", Technology.NVIDIA_GPU)
    assert claims.firmware == {"driver": 550_090_007, "vbios": 0x96009F00}
    assert claims.measurements == {f"index{n}": bytes([n]) * 48 for n in (1, 2, 3)}
    assert (claims.is_debug, claims.is_unrevoked) == (None, False)
    assert judge(claims)[0] is Verdict.UNDECIDED
    assert claims.ends() == AT + DAY
    check_bound(claims, gpu.NONCE)
    with pytest.raises(errors.EvidenceNonceError):
        check_bound(claims, gpu.NONCE[::-1])


@pytest.mark.parametrize("version", [b"550.54.15", b"549.999.99\0"])
def test_an_older_driver_is_refused_by_policy(version: bytes) -> None:
    assert judge(MADE.having(f3=version).verify())[0] is Verdict.REFUSED


def test_an_older_vbios_and_another_product_are_refused_by_policy() -> None:
    older = MADE.having(f6=bytes.fromhex("ff73009601000000"))
    other = replace(MADE, device=gpu.device("GB200 A01 GSP FMC LF"))
    for made in (older, other):
        assert judge(made.verify())[0] is Verdict.REFUSED


def curve(name: ec.EllipticCurve) -> Made:
    """A device with a key of another curve."""
    key = ec.generate_private_key(name)
    extra = [(gpu.OID, b"\x04\x30" + FWID)]
    return replace(MADE, device=issue("GH100", gpu.authorities()[1], key=key, extensions=extra))


MALFORMED, UNSUPPORTED = errors.EvidenceMalformedError, errors.EvidenceUnsupportedError
SIGNATURE, CHAIN = errors.EvidenceSignatureError, errors.EvidenceChainError
BINDING, EXPIRED = errors.EvidenceBindingError, errors.EvidenceExpiredError
PATH = MADE.path()
DAMAGED: dict[str, tuple[Callable[[], Made], type[errors.EvidenceError]]] = {
    "another version of SPDM": (lambda: replace(MADE, request=b"\x12\xe0\x01\xff"), UNSUPPORTED),
    "a request without signature": (lambda: replace(MADE, request=b"\x11\xe0\0\xff"), UNSUPPORTED),
    "a request for one measurement": (
        lambda: replace(MADE, request=b"\x11\xe0\x01\x02"), UNSUPPORTED,
    ),
    "an answer of another kind": (lambda: replace(MADE, response=b"\x11\x7f\0\0"), UNSUPPORTED),
    "an answer of another slot": (lambda: replace(MADE, response=b"\x11\x60\0\1"), BINDING),
    "more blocks than said": (lambda: replace(MADE, count=2), MALFORMED),
    "fewer blocks than said": (lambda: replace(MADE, count=4), MALFORMED),
    "no measurements": (lambda: replace(MADE, count=0, record=b""), MALFORMED),
    "a measurement twice": (
        lambda: replace(MADE, count=2, record=gpu.block(1, bytes(48)) * 2), MALFORMED,
    ),
    "a short measurement": (
        lambda: replace(MADE, count=1, record=gpu.block(1, bytes(32))), UNSUPPORTED,
    ),
    "a measurement of another kind": (
        lambda: replace(MADE, count=1, record=gpu.block(1, bytes(48), 2)), UNSUPPORTED,
    ),
    "a block longer than its value": (
        lambda: replace(MADE, count=1, record=b"\1\1\x34\0\1\x30\0" + bytes(49)), MALFORMED,
    ),
    "a field twice": (
        lambda: replace(MADE, extra=gpu.opaque(FIELDS) + gpu.opaque({3: b"590.12"})), MALFORMED,
    ),
    "a field that is cut off": (
        lambda: replace(MADE, extra=gpu.opaque(FIELDS) + b"\x22\0\xff\0"), MALFORMED,
    ),
    "no firmware id": (lambda: MADE.having(f20=None), UNSUPPORTED),
    "another firmware id": (lambda: MADE.having(f20=b"g" * 48), BINDING),
    "the end of a firmware id": (lambda: MADE.having(f20=FWID[:16]), BINDING),
    "an empty firmware id": (lambda: MADE.having(f20=b""), BINDING),
    "a certificate without firmware id": (
        lambda: replace(MADE, device=gpu.device(fwid=None)), BINDING,
    ),
    "a certificate of other firmware": (
        lambda: replace(MADE, device=gpu.device(fwid=b"g" * 48)), BINDING,
    ),
    "a certificate of no product": (
        lambda: replace(MADE, device=gpu.device("an accelerator")), UNSUPPORTED,
    ),
    "no driver": (lambda: MADE.having(f3=None), MALFORMED),
    "a driver in words": (lambda: MADE.having(f3=b"latest"), MALFORMED),
    "a driver of four parts": (lambda: MADE.having(f3=b"550.90.07.1"), MALFORMED),
    "a driver beyond 32 bits": (lambda: MADE.having(f3=b"9999.1"), MALFORMED),
    "a driver in other digits": (lambda: MADE.having(f3="\u0665.\u0669".encode()), MALFORMED),
    "no VBIOS": (lambda: MADE.having(f6=None), MALFORMED),
    "a short VBIOS": (lambda: MADE.having(f6=bytes(7)), MALFORMED),
    "an SKU with a line feed": (lambda: MADE.having(f15=b"8\n"), MALFORMED),
    "another device": (
        lambda: replace(MADE, chain=(gpu.device().certificate, *PATH[1:])), SIGNATURE,
    ),
    "a key of P-256": (lambda: curve(ec.SECP256R1()), CHAIN),
    "an intermediate is missing": (lambda: replace(MADE, chain=(PATH[0], PATH[2])), CHAIN),
    "the leaf is missing": (lambda: replace(MADE, chain=PATH[1:]), CHAIN),
    "the root alone": (lambda: replace(MADE, chain=PATH[2:]), CHAIN),
    "a chain in another order": (lambda: replace(MADE, chain=PATH[::-1]), CHAIN),
    "an authority that is not pinned": (
        lambda: replace(MADE, anchors=frozenset({ROOT})), CHAIN,
    ),
    "the certificate ended": (lambda: replace(MADE, at=AT + 2 * DAY), EXPIRED),
    "the certificate is of tomorrow": (lambda: replace(MADE, at=AT - 2 * DAY), EXPIRED),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_reports_are_refused_for_their_reason(damage: str) -> None:
    make, error = DAMAGED[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        make().verify()
    assert type(raised.value) is error, raised.value


BYTES: dict[str, tuple[bytes, type[errors.EvidenceError]]] = {
    "no bytes": (b"", MALFORMED),
    "one byte fewer": (DATA[:-1], MALFORMED),
    "two bytes more": (DATA + b"\0\0", MALFORMED),
    "a byte more that is not zero": (DATA + b"\1", MALFORMED),
    "too long": (DATA + bytes(MAX_REPORT), MALFORMED),
    "a signature of zeros": (DATA[:-96] + bytes(96), SIGNATURE),
    "a signature beyond the order": (DATA[:-96] + b"\xff" * 96, SIGNATURE),
    "another nonce": (DATA[:4] + bytes(32) + DATA[36:], SIGNATURE),
    "another measurement": (DATA.replace(b"\2" * 48, b"\3" * 48), SIGNATURE),
    "another nonce of the device": (DATA.replace(b"d" * 32, b"e" * 32), SIGNATURE),
    "another driver": (DATA.replace(b"550.90.07", b"550.90.08"), SIGNATURE),
    "the signature of another": (
        DATA[:-96] + MADE.having(f3=b"590.12").report()[-96:], SIGNATURE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", BYTES)
def test_damaged_bytes_are_refused_for_their_reason(damage: str) -> None:
    data, error = BYTES[damage]
    with pytest.raises(errors.EvidenceError) as raised:
        MADE.verify(data)
    assert type(raised.value) is error, raised.value


def test_one_zero_byte_after_the_report_changes_nothing() -> None:
    assert MADE.verify(DATA + b"\0") == MADE.verify(DATA)


def test_a_machine_vouches_for_its_gpus_or_they_do_not_count() -> None:
    other = replace(MADE, device=gpu.device())
    first, second = (
        (parse_report(d), m.verify(d)) for m, d in ((MADE, DATA), (other, other.report()))
    )
    both = [report.raw for report, _ in (first, second)]
    machine = Claims(Technology.TDX, bound=binding(gpu.NONCE, both).ljust(64, b"\0"))
    joined = with_gpus(machine, [second, first], gpu.NONCE)
    assert [part.attester_id for part in joined.parts] == [
        second[1].attester_id, first[1].attester_id,
    ]  # fmt: skip
    stale = replace(other, nonce=bytes(32)).report()
    late = parse_report(stale), other.verify(stale)
    for bound, gpus in (
        (machine.bound, [first]),
        (machine.bound, [first, first]),
        (binding(gpu.NONCE, [first[0].raw] * 2), [first, first]),
        (gpu.NONCE.ljust(64, b"\0"), [first, second]),
        (binding(bytes(32), both), [first, second]),
        (binding(gpu.NONCE, [stale]), [late]),
        (binding(gpu.NONCE, []), []),
    ):
        with pytest.raises(BINDING):
            with_gpus(replace(machine, bound=bound.ljust(64, b"\0")), gpus, gpu.NONCE)


def test_a_report_in_a_bundle_is_verified_to_the_pinned_authority(vectors: Path) -> None:
    folder = vectors / "nvidia-gpu"
    report, pem = real(folder, expected(folder)["gpu-hopper"]["files"])
    ders = [one.public_bytes(Encoding.DER) for one in read_pem_chain(pem)]

    def verified(data: bytes, chain: list[bytes]) -> Claims:
        bundle = {
            "format": FORMAT,
            "technology": "nvidia-gpu",
            "evidence": {"report": base64.b64encode(data).decode()},
            "endorsements": {"chain": [base64.b64encode(one).decode() for one in chain]},
        }
        return verify_bundle(read_bundle(json.dumps(bundle).encode()), Anchors(), at=AT)

    assert verified(report, ders).product == "GH100"
    mine = [one.public_bytes(Encoding.DER) for one in PATH]
    for data, chain in ((DATA, mine), (report, ders[:-1]), (report, [])):
        with pytest.raises(CHAIN):
            verified(data, chain)


@given(st.binary(max_size=400), st.integers(0, len(DATA)))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes, at: int) -> None:
    for tried in (data, DATA[:at] + data, DATA[:at] + data + DATA[at:]):
        try:
            MADE.verify(tried)
        except errors.EvidenceError:
            continue
        assert tried.rstrip(b"\0") == DATA.rstrip(b"\0")
