"""What a question says of a node: its name, and perhaps evidence. What the evidence came to is
the verifier's to say and never the caller's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from gateway.attestation.bundle import read_bundle
from gateway.attestation.errors import EvidenceError
from gateway.errors import CanonicalFormError, RequestError
from gateway.nodes.attested import Submission
from gateway.nodes.register import MAX_NAME
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import canonicalise

MEMBER = "attestation"
PLACE = "/context/attestation"
MAX_CHALLENGE = 64


@dataclass(frozen=True)
class Asked:
    """The node of a question. Without a submission its standing result counts."""

    node: str
    submission: Submission | None


def take_attestation(request: DecisionRequest) -> tuple[DecisionRequest, Asked | None]:
    """Take the node out of a question; None where it names none.

    Raises:
        RequestError: It is malformed, or says what only a verifier may say.
    """
    if MEMBER not in request.context:
        return request, None
    rest = {name: value for name, value in request.context.items() if name != MEMBER}
    said = request.context[MEMBER]
    asked = None if said is None else read_asked(said, PLACE)
    return request.model_copy(update={"context": rest}), asked


def read_asked(value: object, place: str) -> Asked:
    """A node and perhaps evidence, from a JSON value.

    Args:
        place: The RFC 6901 pointer of the value.

    Raises:
        RequestError: It is malformed; the error names the member.
    """
    if not isinstance(value, dict):
        raise RequestError("this must be an object", pointer=place)
    members = cast("Mapping[str, object]", value)
    for name in sorted(members.keys() - {"node", "challenge", "evidence"}):
        escaped = name.replace("~", "~0").replace("/", "~1")
        raise RequestError(
            "a question names its node and shows evidence; what that comes to, the gateway says",
            pointer=f"{place}/{escaped:.80}",
            kind="foreign-origin",
        )
    node = read_name(members.get("node"), f"{place}/node", MAX_NAME)
    if members.get("evidence") is None:
        if members.get("challenge") is not None:
            raise RequestError("a challenge is answered by evidence", pointer=f"{place}/challenge")
        return Asked(node, None)
    challenge = members.get("challenge")
    if challenge is not None:
        challenge = read_name(challenge, f"{place}/challenge", MAX_CHALLENGE)
    document = _document(members["evidence"], f"{place}/evidence")
    return Asked(node, Submission(node, document, challenge))


def read_name(value: object, place: str, most: int) -> str:
    """A printable text of at most that many characters; raises as `read_asked`."""
    if value is None:
        raise RequestError("this member is missing", pointer=place)
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        words = f"this must be a printable string of 1 to {most} characters"
        raise RequestError(words, pointer=place)
    return value


def _document(value: object, place: str) -> bytes:
    try:
        document = canonicalise(value)
        read_bundle(document)
    except (CanonicalFormError, EvidenceError) as error:
        raise RequestError(str(error), pointer=place) from error
    return document
