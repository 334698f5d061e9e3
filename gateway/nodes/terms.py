"""What evidence is judged by: an appraisal policy, anchors and the register of nodes, read
from disk together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from gateway.attestation import anchors as anchors_file
from gateway.attestation import policy as policy_file
from gateway.attestation.anchors import Anchors, read_anchors
from gateway.attestation.errors import AppraisalPolicyError
from gateway.attestation.policy import AppraisalPolicy, read_policy
from gateway.errors import ConfigurationError
from gateway.nodes import register as register_file
from gateway.nodes.attested import Named
from gateway.nodes.errors import RegisterError
from gateway.nodes.register import Register, read_register

DEFAULT_POLICY = Path(__file__).parents[2] / "policies" / "appraisal" / "default.toml"
Read = TypeVar("Read")


@dataclass(frozen=True)
class Terms:
    """All of it as it was read.

    Attributes:
        files: By SHA-256 in hexadecimal: `policy`, `anchors` or `register`, and the bytes.
    """

    policy: AppraisalPolicy
    anchors: Anchors
    register: Register
    files: Mapping[str, tuple[str, bytes]]

    @property
    def digest(self) -> str:
        """Of all three, to tell whether two processes judge by the same."""
        return sha256("".join(sorted(self.files)).encode()).hexdigest()

    @property
    def named(self) -> Named:
        return Named(self.policy.id, self.policy.sha256, self.anchors.sha256, self.register.sha256)


def load_terms(policy: Path | None, anchors: Path | None, nodes: Path) -> Terms:
    """Read what evidence is judged by.

    Args:
        policy: That of the pack where none is given, which accepts nothing.
        anchors: None but those of hardware makers where none are given.

    Raises:
        ConfigurationError: A file is missing, too large or malformed; it names file and field.
    """
    chosen, files = policy or DEFAULT_POLICY, dict[str, tuple[str, bytes]]()
    judged_by = _load(chosen, policy_file.MAX_FILE, read_policy)
    files[judged_by[0].sha256] = "policy", judged_by[1]
    vouched = (Anchors(), b"")
    if anchors is not None:
        vouched = _load(anchors, anchors_file.MAX_FILE, read_anchors)
        files[vouched[0].sha256] = "anchors", vouched[1]
    known = _load(nodes, register_file.MAX_FILE, read_register)
    files[known[0].sha256] = "register", known[1]
    return Terms(judged_by[0], vouched[0], known[0], files)


def _load(path: Path, most: int, read: Callable[[bytes], Read]) -> tuple[Read, bytes]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path}: this is no file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    try:
        return read(data), data
    except (AppraisalPolicyError, RegisterError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
