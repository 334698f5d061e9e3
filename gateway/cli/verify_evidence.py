"""`charter verify` of evidence: one line of JSON, and 0 good, 1 bad, 2 cannot tell.

These are the codes by which verifiers of several makers are tested alike; the line has the
verdict and the stable word for what is wrong. Whatever cannot be read or used is "cannot
tell", never good.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.files import read_file
from gateway.errors import (
    CanonicalFormError,
    ConfigurationError,
    GatewayError,
    JsonError,
    LedgerError,
    RecordError,
    TrustError,
)
from gateway.ledger.note import MAX_NOTE
from gateway.record.canonical import load_strict
from gateway.record.statement import digest_request
from gateway.verify import MAX_ANSWER, MAX_TRUST, Trust
from gateway.verify.archive import MAX_ARCHIVE
from gateway.verify.checkpoints import MAX_PATH_FILE, check_history, read_checkpoint, read_path
from gateway.verify.entries import verify_log
from gateway.verify.evidence import read_evidence, verify_evidence
from gateway.verify.instant import parse_instant
from gateway.verify.refused import CannotTellError, EvidenceError

GOOD, BAD, CANNOT_TELL = 0, 1, 2
Told = Mapping[str, object]


def verify_bundle(args: Namespace) -> int:
    """An archive of evidence, or one answer."""

    def check(trust: Trust, at: datetime) -> Told:
        seen = [read_file(path, limit=MAX_NOTE) for path in args.seen or ()]
        evidence = read_evidence(read_file(args.bundle, limit=MAX_ARCHIVE))
        found = verify_evidence(
            evidence,
            trust,
            at=at,
            expect_id=args.expect_decision,
            expect_request=_request(args.request),
            seen=seen,
        )
        decisions = [
            {"id": one.id, "decision": one.decision, "index": one.index} for one in found.decisions
        ]
        told: dict[str, object] = {
            "decisions": decisions,
            "origin": found.checkpoint.origin,
            "tree_size": found.checkpoint.size,
        }
        return told if found.stamped is None else {**told, "stamped": found.stamped.isoformat()}

    return _judge(args, check)


def verify_consistency(args: Namespace) -> int:
    """Two checkpoints of one log: that the newer extends the older."""

    def check(trust: Trust, _at: datetime) -> Told:
        if args.older is None:
            raise ConfigurationError("--newer needs --older: one checkpoint extends nothing")
        files = [read_file(path, limit=MAX_NOTE) for path in (args.older, args.newer)]
        older, newer = (read_checkpoint(one, trust) for one in files)
        paths: dict[tuple[int, int], tuple[bytes, ...]] = {}
        if args.consistency is not None:
            read = read_path(read_file(args.consistency, limit=MAX_PATH_FILE))
            paths[older.size, newer.size] = read
        check_history([older], newer, paths)
        return {"origin": newer.origin, "older": older.size, "tree_size": newer.size}

    return _judge(args, check)


def verify_ledger(args: Namespace) -> int:
    """A whole log in the layout of C2SP tlog-tiles."""

    def check(trust: Trust, _at: datetime) -> Told:
        found = verify_log(Path(args.ledger), trust)
        return {"origin": found.checkpoint.origin, "tree_size": found.checkpoint.size}

    return _judge(args, check)


def _request(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        value = load_strict(read_file(path, limit=MAX_ANSWER), max_bytes=MAX_ANSWER)
        return digest_request(value)
    except (JsonError, CanonicalFormError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _judge(args: Namespace, check: Callable[[Trust, datetime], Told]) -> int:
    code, told = _verdict(args, check)
    word = {GOOD: "good", BAD: "bad", CANNOT_TELL: "cannot tell"}[code]
    # One line of ASCII: what a forger wrote can neither break it nor steer a terminal.
    sys.stdout.write(json.dumps({"verdict": word, **told}) + "\n")
    return code


def _verdict(args: Namespace, check: Callable[[Trust, datetime], Told]) -> tuple[int, Told]:
    try:
        at = parse_instant(args.at) if args.at is not None else datetime.now(UTC)
        trust = Trust.from_json(read_file(args.trust, limit=MAX_TRUST))
        return GOOD, {"reason": "verified", **check(trust, at)}
    except ValueError as error:
        return CANNOT_TELL, {"reason": "usage", "detail": f"--at is {error}"}
    except (CannotTellError, TrustError) as error:
        return CANNOT_TELL, _told(error)
    except (RecordError, LedgerError, EvidenceError) as error:
        return BAD, _told(error)
    except ConfigurationError as error:  # a file that is not there, or too large
        return CANNOT_TELL, {"reason": "unreadable", "detail": str(error)}
    except GatewayError as error:
        return CANNOT_TELL, _told(error)


def _told(error: GatewayError) -> Told:
    return {"reason": error.reason, "detail": str(error)}
