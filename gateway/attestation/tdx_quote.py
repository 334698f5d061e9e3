"""Intel TDX quotes of versions 4 and 5, as bytes (Intel, "Intel TDX DCAP Quoting Library API",
appendix A; Intel SGX report: Intel SDM volume 3D, section 40.15).

No key is known here; what is read is not yet believed.
"""

from dataclasses import dataclass

from cryptography import x509

from gateway.attestation.chain import read_pem_chain
from gateway.attestation.errors import EvidenceMalformedError, EvidenceUnsupportedError

MAX_QUOTE = 16 * 1024
_HEADER = 48
_ECDSA_P256 = 2
_TDX = 0x81
_INTEL = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_TD_10 = 584
_TD_15 = 648
_BODIES = {2: _TD_10, 3: _TD_15}  # by the type that version 5 gives a body
_QE_REPORT = 384
_WITH_QE_REPORT = 6  # kinds of certification data
_PEM_CHAIN = 5


@dataclass(frozen=True)
class TdReport:
    """What the TDX module says of a guest; of TDX 1.0 the last two are None."""

    tee_tcb_svn: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    tee_tcb_svn2: bytes | None
    mrservicetd: bytes | None


@dataclass(frozen=True)
class QeReport:
    """What the processor says of the quoting enclave; `raw` is what is signed."""

    raw: bytes
    miscselect: bytes
    attributes: bytes
    mrenclave: bytes
    mrsigner: bytes
    prod_id: int
    svn: int
    report_data: bytes


@dataclass(frozen=True)
class Quote:
    """A quote as it was read.

    Attributes:
        raw: All its bytes, with what follows its end.
        signed: The bytes that the attestation key signs.
        attestation_key: A point of P-256: x and y.
        signature: r and s, of the attestation key; `qe_signature` that of the PCK.
        qe_authentication: What the quoting enclave hashes with its key.
        chain: PCK certificate, its issuer, the root.
        trailing: How many bytes follow the end; they mean nothing.
    """

    raw: bytes
    version: int
    signed: bytes
    td: TdReport
    signature: bytes
    attestation_key: bytes
    qe: QeReport
    qe_signature: bytes
    qe_authentication: bytes
    chain: tuple[x509.Certificate, ...]
    trailing: int


def parse_quote(data: bytes) -> Quote:
    """The quote at the beginning of the bytes. What follows it is padding and not looked at:
    attesters hand out buffers of a fixed size.

    Raises:
        EvidenceMalformedError: Cut off, or its lengths contradict one another.
        EvidenceUnsupportedError: Of a version, key, vendor or body that is not known here.
    """
    if len(data) > MAX_QUOTE:
        raise EvidenceMalformedError(f"a quote of more than {MAX_QUOTE} bytes")
    reader = _Reader(data)
    version = _header(reader)
    size = _TD_10 if version == 4 else _body_size(reader)
    td = _td_report(reader.take(size))
    signed = data[: reader.at]
    parts = _Reader(reader.take(reader.number(4)))
    signature, key = parts.take(64), parts.take(64)
    qe, qe_signature, authentication, chain = _certification(parts)
    return Quote(
        raw=data,
        version=version,
        signed=signed,
        td=td,
        signature=signature,
        attestation_key=key,
        qe=qe,
        qe_signature=qe_signature,
        qe_authentication=authentication,
        chain=chain,
        trailing=len(data) - reader.at,
    )


class _Reader:
    """A place in little-endian bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self._data):
            raise EvidenceMalformedError("a quote is cut off")
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def end(self) -> None:
        if self.at != len(self._data):
            raise EvidenceMalformedError("the lengths of a quote contradict one another")


def _header(reader: _Reader) -> int:
    header = _Reader(reader.take(_HEADER))
    version, key_type, tee = header.number(2), header.number(2), header.number(4)
    if version not in (4, 5):
        raise EvidenceUnsupportedError(f"a quote of version {version}")
    if tee != _TDX:
        raise EvidenceUnsupportedError(f"the quote is not one of TDX, but of TEE {tee:#x}")
    if key_type != _ECDSA_P256:
        raise EvidenceUnsupportedError(f"the quote is signed with a key of type {key_type}")
    header.take(4)
    if header.take(16) != _INTEL:
        raise EvidenceUnsupportedError("the quoting enclave is of another vendor than Intel")
    return version


def _body_size(reader: _Reader) -> int:
    kind, size = reader.number(2), reader.number(4)
    if kind not in _BODIES:
        raise EvidenceUnsupportedError(f"the body of the quote is of type {kind}")
    if size != _BODIES[kind]:
        raise EvidenceMalformedError(f"a body of type {kind} has {_BODIES[kind]} bytes")
    return size


def _td_report(body: bytes) -> TdReport:
    is_15 = len(body) == _TD_15
    return TdReport(
        tee_tcb_svn=body[:16],
        mrseam=body[16:64],
        mrsignerseam=body[64:112],
        seam_attributes=body[112:120],
        td_attributes=body[120:128],
        xfam=body[128:136],
        mrtd=body[136:184],
        mrconfigid=body[184:232],
        mrowner=body[232:280],
        mrownerconfig=body[280:328],
        rtmrs=(body[328:376], body[376:424], body[424:472], body[472:520]),
        report_data=body[520:584],
        tee_tcb_svn2=body[584:600] if is_15 else None,
        mrservicetd=body[600:648] if is_15 else None,
    )


def _certification(
    parts: _Reader,
) -> tuple[QeReport, bytes, bytes, tuple[x509.Certificate, ...]]:
    """The report of the quoting enclave, what vouches for it, and nothing after it."""
    kind = parts.number(2)
    if kind != _WITH_QE_REPORT:
        raise EvidenceUnsupportedError(f"certification data of type {kind}")
    inner = _Reader(parts.take(parts.number(4)))
    parts.end()
    qe, signature = _qe_report(inner.take(_QE_REPORT)), inner.take(64)
    authentication = inner.take(inner.number(2))
    kind = inner.number(2)
    if kind != _PEM_CHAIN:
        raise EvidenceUnsupportedError(f"the PCK is given as data of type {kind}")
    pem = inner.take(inner.number(4))
    inner.end()
    return qe, signature, authentication, tuple(read_pem_chain(pem.rstrip(b"\0")))


def _qe_report(raw: bytes) -> QeReport:
    return QeReport(
        raw=raw,
        miscselect=raw[16:20],
        attributes=raw[48:64],
        mrenclave=raw[64:96],
        mrsigner=raw[128:160],
        prod_id=int.from_bytes(raw[256:258], "little"),
        svn=int.from_bytes(raw[258:260], "little"),
        report_data=raw[320:384],
    )
