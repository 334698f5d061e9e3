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

from gateway.attestation import arm_cca, azure, nitro, nvidia_gpu, sev_snp, tpm, tpm_structures
from gateway.attestation.chain import fingerprint, read_certificate, read_crl
from gateway.attestation.corim import parse_corim, verify_corim
from gateway.attestation.corim_rows import references
from gateway.attestation.evidence import Claims
from tests.bench.table import table
from tests.gateway.attestation import cca, corims, ears, enclave, gpu, snp, test_azure, tpms
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
    "NVIDIA GPU report": _gpu,
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
