"""Check what was exported: one answer, or an archive of decisions of one log.

 1. Every decision holds, as `gateway.verify.decision` says.
 2. All checkpoints, with one that was seen before, are of one history of the log.
 3. What stamped the newest checkpoint is an authority that is trusted.
 4. The decision that was asked for is there.

The newest checkpoint speaks for all: whoever is shown another history of this log later has
the proof, in two files, that the log was rewritten.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from gateway.errors import ConsistencySizesError, JsonError, RequestMismatchError
from gateway.keys import decode_base64
from gateway.ledger.checkpoint import Checkpoint
from gateway.ledger.merkle import HASH_SIZE
from gateway.record.canonical import Json, load_strict
from gateway.verify import archive
from gateway.verify.checkpoints import Paths, check_history, read_checkpoint
from gateway.verify.decision import VerifiedDecision, read_answer
from gateway.verify.erased import verify_answer
from gateway.verify.refused import (
    DecisionAbsentError,
    EvidenceError,
    EvidenceIncompleteError,
    TimestampError,
    TimestampUntrustedError,
)
from gateway.verify.transparent import FIRST_BYTE, verify_statement
from gateway.verify.trust import Trust

EVIDENCE_FORMAT = "charter-evidence/v1"
_MAX_PATHS = 4 * 1024 * 1024
_MAX_LISTING = 1024 * 1024


def _no_paths() -> Paths:
    return {}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was exported, in its parts; nothing is verified. `answers` are by the id under
    which they are listed, or by nothing where a file is one answer; `statement` is one decision
    in COSE instead."""

    answers: Mapping[str | None, Mapping[str, object]]
    checkpoint: bytes | None = None
    paths: Paths = field(default_factory=_no_paths)
    timestamp: bytes | None = None
    statement: bytes | None = None


@dataclass(frozen=True, slots=True)
class VerifiedEvidence:
    """Decisions that all held, in one history of their log, whose newest tree is
    `checkpoint`. `stamped` is when an authority saw that tree, where one did."""

    decisions: tuple[VerifiedDecision, ...]
    checkpoint: Checkpoint
    stamped: datetime | None = None


def read_evidence(data: bytes) -> Evidence:
    """Read an archive, the JSON text of one answer, or a statement in COSE.

    Raises:
        EvidenceError: Neither; see `read_archive`.
        AnswerMalformedError: An answer is not strict JSON, or too large.
    """
    if data.startswith(FIRST_BYTE):
        return Evidence({}, statement=data)
    if not data.startswith(b"PK"):
        return Evidence({None: read_answer(data)})
    files = archive.read_archive(data)
    listed = _listed(files)
    found = {name for name in files if archive.DECISION.fullmatch(name)}
    if found != set(listed.values()) or len(found) != len(listed):
        raise EvidenceIncompleteError("the decisions that are listed are not those that are there")
    return Evidence(
        {one: read_answer(files[name]) for one, name in listed.items()},
        files.get(archive.CHECKPOINT),
        _read_paths(files.get(archive.CONSISTENCY, b"[]")),
        files.get(archive.TIMESTAMP),
    )


def _listed(files: Mapping[str, bytes]) -> Mapping[str, str]:
    match _json(files.get(archive.LISTING, b""), archive.LISTING, _MAX_LISTING):
        case {"format": found} if found != EVIDENCE_FORMAT:
            raise EvidenceError(f"the archive is not of format {EVIDENCE_FORMAT}")
        case {"format": _, "decisions": dict(decisions), **others} if (
            decisions and not others and all(isinstance(name, str) for name in decisions.values())
        ):
            return cast("dict[str, str]", decisions)
        case _:
            raise EvidenceError(f"{archive.LISTING} has the format, and decisions by their id")


def _read_paths(data: bytes) -> Paths:
    value = _json(data, archive.CONSISTENCY, _MAX_PATHS)
    paths: dict[tuple[int, int], tuple[bytes, ...]] = {}
    for element in value if isinstance(value, list) else [None]:
        match element:
            case {"from": int(old), "to": int(new), "path": list(path), **others} if not others:
                if not 0 < old < new:
                    raise ConsistencySizesError("no such sizes", old_size=old, new_size=new)
                paths[old, new] = tuple(map(_read_hash, path))
            case _:
                raise EvidenceError(f"{archive.CONSISTENCY} lists from, to and path")
    return paths


def _read_hash(text: Json) -> bytes:
    try:
        node = decode_base64(text if isinstance(text, str) else " ")
    except ValueError as error:
        raise EvidenceError("a hash of a consistency proof is not base64") from error
    if len(node) != HASH_SIZE:
        raise EvidenceError(f"a hash of a consistency proof has not {HASH_SIZE} bytes")
    return node


def _json(data: bytes, name: str, limit: int) -> Json:
    try:
        return load_strict(data, max_bytes=limit)
    except JsonError as error:
        raise EvidenceError(f"{name} is not strict JSON: {error}") from error


def write_evidence(evidence: Evidence, documents: Mapping[str, bytes] | None = None) -> bytes:
    """The archive of evidence; `documents` are for people, by names like `report.html`.

    Raises:
        EvidenceError: An answer has no id, or the archive would not be read again.
    """
    files = {f"documents/{name}": data for name, data in (documents or {}).items()}
    listed: dict[str, str] = {}
    for number, (one, answer) in enumerate(evidence.answers.items(), 1):
        if one is None:
            raise EvidenceError("in an archive each answer stands under its id")
        listed[one] = f"decisions/{number}.json"
        files[listed[one]] = json.dumps(answer, ensure_ascii=False).encode()
    files[archive.LISTING] = _dump({"format": EVIDENCE_FORMAT, "decisions": listed})
    if evidence.paths:
        files[archive.CONSISTENCY] = _dump(
            [
                {"from": old, "to": new, "path": [b64encode(node).decode() for node in path]}
                for (old, new), path in evidence.paths.items()
            ]
        )
    if evidence.checkpoint is not None:
        files[archive.CHECKPOINT] = evidence.checkpoint
    if evidence.timestamp is not None:
        files[archive.TIMESTAMP] = evidence.timestamp
    return archive.write_archive(files)


def _dump(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


# --- verifying -----------------------------------------------------------------------


def verify_evidence(
    evidence: Evidence,
    trust: Trust,
    *,
    at: datetime,
    expect_id: str | None = None,
    expect_request: str | None = None,
    seen: Iterable[bytes] = (),
) -> VerifiedEvidence:
    """Check evidence as a whole; the first thing that is wrong is raised.

    Args:
        at: When it is judged.
        expect_id: The decision that was asked for.
        expect_request: SHA-256 of the request that it must be the answer to, in hex; where
            no decision is named, of one of them.
        seen: Checkpoints of the log that were seen before, as signed notes.

    Raises:
        RecordError, LedgerError, EvidenceError: It is not good.
        CannotTellError: Something that would show it is missing.
            Each has the stable word for what is wrong in `reason`.
    """
    verified = tuple(
        verify_answer(answer, trust, at=at, expect_id=_expected(listed, answer, expect_id))
        for listed, answer in evidence.answers.items()
    )
    if evidence.statement is not None:
        verified += (verify_statement(evidence.statement, trust, at=at, expect_id=expect_id),)
    if expect_id is not None and all(one.id != expect_id for one in verified):
        raise DecisionAbsentError(f"there is no decision {expect_id[:200]!r}")
    _check_request([one for one in verified if expect_id in (None, one.id)], expect_request)
    trees = [Checkpoint(one.origin, one.tree_size, one.root) for one in verified]
    if evidence.checkpoint is not None:
        trees.append(read_checkpoint(evidence.checkpoint, trust))
    newest = max(trees, key=lambda one: one.size)
    check_history(
        [*trees, *(read_checkpoint(one, trust, witnessed=False) for one in seen)],
        newest,
        evidence.paths,
    )
    return VerifiedEvidence(verified, newest, _check_timestamp(evidence, trust, at))


def _expected(
    listed: str | None, answer: Mapping[str, object], expect_id: str | None
) -> str | None:
    """The id that an answer must have. A tombstone says what it is of, and gives no decision
    among which the one that was asked for could be looked for."""
    return expect_id if listed is None and "erased" in answer else listed


def _check_request(asked: Sequence[VerifiedDecision], digest: str | None) -> None:
    if digest is not None and all(one.request_digest != digest for one in asked):
        found = asked[0].request_digest
        raise RequestMismatchError(what="request", expected=digest, found=found)


def _check_timestamp(evidence: Evidence, trust: Trust, at: datetime) -> datetime | None:
    accepted = trust.terms.timestamps
    if evidence.timestamp is None:
        if accepted is not None and accepted.required:
            raise TimestampError("the trust file demands a timestamp, and there is none")
        return None
    if evidence.checkpoint is None:
        raise TimestampError("there is a timestamp, and no checkpoint that it could be of")
    if accepted is None:
        raise TimestampUntrustedError("there is a timestamp, and the trust file names no authority")
    # Only where there is a token: it is the one thing that needs another library.
    from gateway.verify.timestamp import verify_timestamp

    return verify_timestamp(evidence.timestamp, evidence.checkpoint, accepted, at=at)
