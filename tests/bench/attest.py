"""What it costs to verify evidence, by technology: bytes to claims, in this process.

    python tests/bench/attest.py [--seconds S]

Evidence is made here, with chains of the lengths and kinds that makers have, but for keys of
authorities: RSA of 2048 bits where AMD's has 4096. Each row parses all its parts and checks all
signatures anew; nothing is remembered.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.attestation import (
    arm_cca,
    azure,
    azure_tdx,
    nitro,
    nvidia_gpu,
    sev_snp,
    tdx_quote,
    tpm,
    tpm_structures,
)
from gateway.attestation.chain import fingerprint, read_certificate, read_crl
from gateway.attestation.corim import parse_corim, verify_corim
from gateway.attestation.corim_rows import references
from gateway.attestation.evidence import Claims
from gateway.attestation.ocsp import parse_answer
from gateway.attestation.tdx import verify_quote as verify_td_quote
from gateway.attestation.xml_signed import parse_signed_xml
from tests.bench.table import table
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
    tpms,
)
from tests.gateway.attestation.chains import AT, revoked
from tests.gateway.attestation.pcrs import pcr_file


@dataclass(frozen=True)
class Work:
    """Bytes of evidence and what comes with it, and what verifies them."""

    size: int
    verify: Callable[[], object]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _snp() -> Work:
    made = snp.made()
    ark = snp.authorities("Milan", "VCEK")[0]
    crl = revoked(ark).public_bytes(Encoding.DER)
    vek, chain = _der(made.vek), [_der(one) for one in made.chain]

    def verify() -> Claims:
        return sev_snp.verify_report(
            sev_snp.parse_report(made.report),
            vek=read_certificate(vek),
            chain=[read_certificate(one) for one in chain],
            at=AT,
            anchors=made.anchors,
            crls=[read_crl(crl)],
        )

    return Work(len(made.report) + len(vek) + sum(map(len, chain)) + len(crl), verify)


def _azure() -> Work:
    good = test_azure.GOOD
    made, report = good.snp_and_report()
    message = good.quoted.message()
    signature, pcrs = good.quoted.signature(message)[6:], pcr_file(good.quoted.values)
    vek, chain = _der(made.vek), [_der(one) for one in made.chain]

    def verify() -> Claims:
        return azure.verify_snp(
            azure.parse_hcl_report(report),
            vek=read_certificate(vek),
            chain=[read_certificate(one) for one in chain],
            at=AT,
            anchors=made.anchors,
            quote=azure.raw_quote(message, signature),
            values=tpm_structures.parse_pcr_file(pcrs),
        )

    parts = (report, message, signature, pcrs, vek, *chain)
    return Work(sum(map(len, parts)), verify)


def _tpm(made: tpms.Made) -> Work:
    message = made.message()
    signature, pcrs = made.signature(message), pcr_file(made.values)
    area = tpms.public(made.key).raw

    def verify() -> Claims:
        public = tpm_structures.parse_public(area)
        return tpm.verify_quote(
            tpm.parse_quote(message, signature),
            key=tpm.AttestationKey(public.key, tpm.Vouched.PINNED, public),
            values=tpm_structures.parse_pcr_file(pcrs),
        )

    return Work(sum(map(len, (message, signature, pcrs, area))), verify)


def _nitro() -> Work:
    made = enclave.Made()
    data = made.document()

    def verify() -> Claims:
        return nitro.verify_document(nitro.parse_document(data), at=made.at, anchors=made.anchors)

    return Work(len(data), verify)


def _cca() -> Work:
    data = cca.Made().token()

    def verify() -> Claims:
        return arm_cca.verify_token(arm_cca.parse_token(data), endorsements=(cca.ENDORSED,), at=AT)

    return Work(len(data), verify)


def _gpu() -> Work:
    made = gpu.Made()
    report, path = made.report(), [_der(one) for one in made.path()]
    root = frozenset({fingerprint(made.path()[-1])})

    def verify() -> Claims:
        chain = [read_certificate(one) for one in path]
        parsed = nvidia_gpu.parse_report(report)
        return nvidia_gpu.verify_report(parsed, chain=chain, at=AT, anchors=root)

    return Work(len(report) + sum(map(len, path)), verify)


def _tdx() -> Work:
    made = tdx.Made()
    quote, collateral = made.quote(), made.collateral()
    root = frozenset({fingerprint(tdx.authorities().root.certificate)})

    def verify() -> Claims:
        parsed = tdx_quote.parse_quote(quote)
        return verify_td_quote(parsed, collateral=collateral, at=made.at, anchors=root)

    return Work(len(quote) + _collateral_size(made), verify)


def _collateral_size(made: tdx.Made) -> int:
    held = made.collateral()
    signed = [one.raw + one.pem for one in (held.tcb_info, held.qe_identity) if one is not None]
    return sum(map(len, [*signed, held.root_crl or b"", held.pck_crl or b""]))


def _azure_tdx() -> Work:
    made = test_azure_tdx.GOOD
    guest, report = made.guest_and_report()
    td_quote, collateral = guest.quote(), guest.collateral()
    message = made.quoted.message()
    signature, pcrs = made.quoted.signature(message)[6:], pcr_file(made.quoted.values)

    def verify() -> Claims:
        return azure_tdx.verify_tdx(
            azure.parse_hcl_report(report),
            td_quote=tdx_quote.parse_quote(td_quote),
            collateral=collateral,
            quote=azure.raw_quote(message, signature),
            values=tpm_structures.parse_pcr_file(pcrs),
            at=guest.at,
            anchors=made.anchors(),
        )

    parts = (report, td_quote, message, signature, pcrs)
    return Work(sum(map(len, parts)) + _collateral_size(guest), verify)


def _gpu_with_manifests() -> Work:
    """With as many values as real manifests have: 64 each."""
    made, (root, brom) = gpu.Made(), gpu.authorities()
    rim_root, between = rims.authorities()
    report, path = made.report(), [_der(one) for one in made.path()]
    more = tuple(rims.resource(n, rims.ZERO, active="False") for n in range(10, 70))
    manifests = [
        one.having(resources=one.resources + more).data() for one in (rims.driver(), rims.vbios())
    ]
    said = [
        answers.Made(root, (brom.certificate,)).data(),
        answers.Made(rim_root, (between.certificate,)).data(),
        answers.Made(between, (rims.signer().certificate,)).data(),
    ]

    def verify() -> Claims:
        return nvidia_gpu.verify_report(
            nvidia_gpu.parse_report(report),
            chain=[read_certificate(one) for one in path],
            at=AT,
            anchors=frozenset({fingerprint(root.certificate)}),
            rims=[parse_signed_xml(one) for one in manifests],
            rim_anchors=rims.anchors(),
            answers=[parse_answer(one) for one in said],
        )

    assert verify().is_unrevoked
    return Work(sum(map(len, [report, *path, *manifests, *said])), verify)


def _ear() -> Work:
    made = ears.Made()
    data = made.token()
    return Work(len(data), lambda: made.verify(data))


def _corim() -> Work:
    components = [corims.component(f"part-{number}") for number in range(20)]
    made = corims.Made({0: [[corims.CLASS, components]]})
    data = made.data()

    def verify() -> object:
        corim = parse_corim(data)
        return references(corim, verify_corim(corim, signers=made.signers, at=AT), at=AT)

    return Work(len(data), verify)


ROWS: Mapping[str, Callable[[], Work]] = {
    "SEV-SNP, with a revocation list": _snp,
    "Azure confidential VM, SNP and TPM quote": _azure,
    "TPM quote, P-256": lambda: _tpm(tpms.Made()),
    "TPM quote, RSA 2048": lambda: _tpm(tpms.Made(key=tpms.RSA, scheme=tpm_structures.RSASSA)),
    "Nitro document": _nitro,
    "Arm CCA token": _cca,
    "Intel TDX quote, by two verifiers": _tdx,
    "Azure confidential VM, TDX and TPM quote": _azure_tdx,
    "NVIDIA GPU report": _gpu,
    "NVIDIA GPU report, two manifests, three OCSP answers": _gpu_with_manifests,
    "EAR of another verifier": _ear,
    "CoRIM of 20 values, to rows": _corim,
}


def cpu_us(work: Work, seconds: float) -> float:
    """Microseconds of processor for one, in the best of five stretches."""
    work.verify()
    best = float("inf")
    for _ in range(5):
        number, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < seconds / 5:
            work.verify()
            number += 1
        best = min(best, spent / number)
    return best * 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=1, help="of one row")
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} before; CPU of one thread\n")
    lines: list[tuple[str, ...]] = []
    for name, make in ROWS.items():
        work = make()
        spent = cpu_us(work, options.seconds)
        lines.append((name, f"{work.size:,}", f"{spent:,.0f}", f"{1_000_000 / spent:,.0f}"))
    print(table(("evidence", "bytes", "CPU us each", "a second"), lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
