"""`charter pack`: answers of a gateway as one file of evidence; nothing is verified here."""

from argparse import Namespace
from pathlib import Path

from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import AnswerMalformedError, ConfigurationError
from gateway.ledger.note import MAX_NOTE
from gateway.verify import MAX_ANSWER, read_answer
from gateway.verify.evidence import Evidence, write_evidence
from gateway.verify.refused import EvidenceError

_MAX_TOKEN = 64 * 1024


def pack(args: Namespace) -> int:
    """Write an archive of answers that were saved, in the form that `verify --bundle` reads."""
    answers: dict[str | None, dict[str, object]] = {}
    for path in args.answer:
        try:
            answer = dict(read_answer(read_file(path, limit=MAX_ANSWER)))
        except AnswerMalformedError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        found = answer.get("id")
        if not isinstance(found, str) or not {"record", "proof"} <= answer.keys():
            raise ConfigurationError(f"{path}: no answer with id, record and proof")
        if found in answers:
            raise ConfigurationError(f"{path}: decision {found[:200]!r} is packed already")
        answers[found] = answer
    evidence = Evidence(
        answers,
        checkpoint=_optional(args.checkpoint, MAX_NOTE),
        timestamp=_optional(args.timestamp, _MAX_TOKEN),
    )
    try:
        archive = write_evidence(evidence)
    except EvidenceError as error:
        raise ConfigurationError(f"{args.output}: {error}") from error
    try:
        with args.output.open("xb") as file:  # what is there may be the only copy
            file.write(archive)
    except OSError as error:
        raise ConfigurationError(f"{args.output}: cannot write it: {error.strerror}") from error
    return exit_codes.OK


def _optional(path: Path | None, limit: int) -> bytes | None:
    return None if path is None else read_file(path, limit=limit)
