"""Libraries without which evidence of some kinds cannot be told good: they are extras, and who
judges again may not have what the gateway had, or the other way round."""

from collections.abc import Mapping
from importlib.util import find_spec

from gateway.attestation.bundle import read_bundle
from gateway.attestation.errors import EvidenceIncompleteError
from gateway.attestation.evidence import Technology
from gateway.reappraise.errors import LibraryMissingError

_TDX = ("tdx", ("dcap_qvl",))
_GPU = ("gpu", ("lxml", "signxml"))
_EXTRAS: Mapping[Technology, tuple[str, tuple[str, ...]]] = {
    Technology.TDX: _TDX,
    Technology.AZURE_TDX: _TDX,
    Technology.NVIDIA_GPU: _GPU,
}
INCOMPLETE = EvidenceIncompleteError.reason


def check_libraries(document: bytes, *, then: str, now: str) -> None:
    """See that two results of the same evidence do not differ for want of a library.

    Args:
        then, now: Their reasons.

    Raises:
        LibraryMissingError: One was incomplete, and may have been for that alone.
    """
    bundle = read_bundle(document)
    kinds = {bundle.technology, *(gpu.technology for gpu in bundle.gpus)}
    for kind in sorted(kinds & _EXTRAS.keys(), key=lambda one: one.value):
        extra, libraries = _EXTRAS[kind]
        is_here = all(find_spec(name) is not None for name in libraries)
        if now == INCOMPLETE and not is_here:
            raise LibraryMissingError(
                f"{kind.value} needs the extra `{extra}`: pip install 'charter-gateway[{extra}]'"
            )
        if then == INCOMPLETE != now and is_here:
            raise LibraryMissingError(
                f"the gateway could not tell, perhaps for want of the extra `{extra}`"
            )
