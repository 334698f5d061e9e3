"""What can be wrong with a node or with what it shows."""

from gateway.attestation.errors import EvidenceError
from gateway.errors import ConfigurationError, GatewayError, RequestError


class RegisterError(ConfigurationError):
    """The register of nodes is malformed; the message names the field."""

    reason = "node-register"


class EnrolmentError(GatewayError):
    """A node has not shown that its key is in the TPM of a known maker."""

    reason = "enrolment"


class UnknownNodeError(RequestError):
    """The register has no node of that name on that day."""

    def __init__(self, node: str, *, pointer: str = "/context/attestation/node") -> None:
        detail = f"the register of nodes has no `{node:.80}` today"
        super().__init__(detail, pointer=pointer, kind="unknown-entity")
        self.node = node


class TooManyChallengesError(GatewayError):
    """The tenant has as many challenges open as it may."""

    reason = "too-many-challenges"


class EvidenceStoreError(GatewayError):
    """Evidence cannot be kept or looked up: the disk is full, or the store is damaged. No
    evidence counts meanwhile."""

    reason = "evidence-unavailable"


class NodeDeviceError(EvidenceError):
    """Genuine evidence of a device that is not the node's."""

    reason = "node-device"


class NodeRolledBackError(EvidenceError):
    """Its TPM counts less often started than has been seen: it was kept from before."""

    reason = "node-rolled-back"


class EvidenceErasedError(EvidenceError):
    """The same evidence was erased on legal grounds, so that it cannot be kept again."""

    reason = "evidence-erased"
    is_undecided = True
