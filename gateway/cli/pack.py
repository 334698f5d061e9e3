"""`charter pack`: answers of a gateway as one file of evidence; nothing is verified here."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import AnswerMalformedError, ConfigurationError, JsonError
from gateway.keys import decode_base64
from gateway.ledger.note import MAX_NOTE
from gateway.record.canonical import Json, load_strict
from gateway.verify import MAX_ANSWER, read_answer
from gateway.verify.evidence import Evidence, write_evidence
from gateway.verify.refused import EvidenceError

_MAX_TOKEN = 64 * 1024
_MAX_STAMPED = 1024 * 1024


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
    evidence = (
        _stamped(args, answers)
        if args.stamped
        else Evidence(
            answers,
            checkpoint=_optional(args.checkpoint, MAX_NOTE),
            timestamp=_optional(args.timestamp, _MAX_TOKEN),
        )
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


def _stamped(args: Namespace, answers: Mapping[str | None, Mapping[str, object]]) -> Evidence:
    """With what a gateway gave at `/v1/timestamps`: one checkpoint, and paths to it."""
    if args.checkpoint is not None or args.timestamp is not None:
        raise ConfigurationError("--stamped brings the checkpoint and the timestamp along")
    paths: dict[tuple[int, int], tuple[bytes, ...]] = {}
    found: set[tuple[bytes, bytes]] = set()
    for path in args.stamped:
        match _json(path):
            case {
                "size": int(size), "checkpoint": str(note), "timestamp": str(token),
                "from": int(start), "consistency": list(nodes),
            }:  # fmt: skip
                try:
                    found.add((note.encode(), decode_base64(token)))
                    paths[start, size] = tuple(decode_base64(str(one)) for one in nodes)
                except ValueError as error:
                    raise ConfigurationError(f"{path}: not base64") from error
            case _:
                raise ConfigurationError(f"{path}: this is not what /v1/timestamps gives")
    if len(found) != 1:
        raise ConfigurationError("all of --stamped must be of the same checkpoint")
    ((note, token),) = found
    steps = {sizes: nodes for sizes, nodes in paths.items() if sizes[0] < sizes[1]}
    return Evidence(answers, checkpoint=note, paths=steps, timestamp=token)


def _json(path: Path) -> Json:
    try:
        return load_strict(read_file(path, limit=_MAX_STAMPED), max_bytes=_MAX_STAMPED)
    except JsonError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _optional(path: Path | None, limit: int) -> bytes | None:
    return None if path is None else read_file(path, limit=limit)
