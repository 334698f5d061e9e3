"""What a PCK certificate says of its platform (Intel, "Intel SGX PCK Certificate and Certificate
Revocation List Profile Specification", section 1.3.5): one extension, in DER (X.690)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography import x509

from gateway.attestation.errors import EvidenceBindingError, EvidenceMalformedError

_EXTENSION = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
_ARC = bytes.fromhex("2a864886f84d010d01")  # the same in DER, which its members begin with
_SEQUENCE, _OID, _OCTETS, _INTEGER, _ENUMERATED = 0x30, 0x06, 0x04, 0x02, 0x0A
_PPID, _TCB, _PCE_ID, _FMSPC, _SGX_TYPE = b"\1", b"\2", b"\3", b"\4", b"\5"
_PCE_SVN = 17
_SVNS = 16
_MAX_MEMBERS = 64


@dataclass(frozen=True)
class Platform:
    """A platform, and the firmware for which its PCK was made.

    Attributes:
        svns: The 16 security versions of SGX components.
        sgx_type: 0 standard, 1 scalable, 2 scalable with integrity.
    """

    ppid: bytes
    svns: tuple[int, ...]
    pce_svn: int
    pce_id: bytes
    fmspc: bytes
    sgx_type: int


def read_platform(pck: x509.Certificate) -> Platform:
    """The platform of a PCK certificate.

    Raises:
        EvidenceBindingError: It has no such extension: it is no PCK certificate.
        EvidenceMalformedError: The extension cannot be read.
    """
    try:
        value = pck.extensions.get_extension_for_oid(_EXTENSION).value
    except x509.ExtensionNotFound as error:
        raise EvidenceBindingError("the key of the platform does not tell its platform") from error
    if not isinstance(value, x509.UnrecognizedExtension):
        raise EvidenceMalformedError("the SGX extension is another than expected")
    members = _members(_one(value.value, _SEQUENCE))
    tcb = _members(_one(_get(members, _TCB), _SEQUENCE))
    svns = [_number(_one(_get(tcb, _TCB + bytes([n])), _INTEGER)) for n in range(1, _SVNS + 1)]
    if max(svns) > 0xFF:
        raise EvidenceMalformedError("a firmware level of the PCK is more than one byte")
    return Platform(
        ppid=_octets(members, _PPID, 16),
        svns=tuple(svns),
        pce_svn=_number(_one(_get(tcb, _TCB + bytes([_PCE_SVN])), _INTEGER)),
        pce_id=_octets(members, _PCE_ID, 2),
        fmspc=_octets(members, _FMSPC, 6),
        sgx_type=_number(_one(_get(members, _SGX_TYPE), _ENUMERATED)),
    )


def _members(der: bytes) -> Mapping[bytes, bytes]:
    """Pairs of identifier and value, by what their identifiers have after the arc."""
    found: dict[bytes, bytes] = {}
    for tag, pair in _each(der):
        listed = list(_each(pair))
        if tag != _SEQUENCE or not listed or listed[0][0] != _OID:
            raise EvidenceMalformedError("the SGX extension is no list of pairs")
        name = listed[0][1]
        if not name.startswith(_ARC) or name in found or len(found) == _MAX_MEMBERS:
            raise EvidenceMalformedError("the SGX extension has a member that is not its own")
        found[name] = pair[2 + len(name) :]
    return {name[len(_ARC) :]: value for name, value in found.items()}


def _get(members: Mapping[bytes, bytes], name: bytes) -> bytes:
    if name not in members:
        raise EvidenceMalformedError(f"the SGX extension lacks {'.'.join(map(str, name))}")
    return members[name]


def _octets(members: Mapping[bytes, bytes], name: bytes, size: int) -> bytes:
    value = _one(_get(members, name), _OCTETS)
    if len(value) != size:
        raise EvidenceMalformedError("a value of the SGX extension has another length")
    return value


def _number(value: bytes) -> int:
    """The content of an INTEGER or ENUMERATED of at most two bytes, not negative."""
    if not 1 <= len(value) <= 3 or value[0] > 0x7F or (len(value) == 3 and value[0] != 0):
        raise EvidenceMalformedError("a number of the SGX extension is none")
    return int.from_bytes(value)


def _one(der: bytes, tag: int) -> bytes:
    """The content of the one value that the bytes are."""
    found = list(_each(der))
    if len(found) != 1 or found[0][0] != tag:
        raise EvidenceMalformedError("a value of the SGX extension is of another type")
    return found[0][1]


def _each(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents, one after the other (X.690, section 8.1)."""
    at = 0
    while at < len(der):
        head = der[at : at + 4].ljust(4, b"\0")
        tag, first = head[0], head[1]
        if first < 0x80:
            begins, size = at + 2, first
        elif first == 0x81 and head[2] >= 0x80:
            begins, size = at + 3, head[2]
        elif first == 0x82 and head[2]:
            begins, size = at + 4, int.from_bytes(head[2:4])
        else:
            raise EvidenceMalformedError("a length of the SGX extension is none of DER")
        if begins + size > len(der):
            raise EvidenceMalformedError("the SGX extension is cut off")
        yield tag, der[begins : begins + size]
        at = begins + size
