"""`charter verify`: check an answer without trusting the gateway.

Imports neither web nor engine nor storage: what an auditor runs stays small.
"""

import json
import sys
from argparse import Namespace
from typing import TYPE_CHECKING, cast

from dsl.printable import printable
from gateway.cli import exit_codes
from gateway.cli.files import read_file
from gateway.errors import (
    AnswerMalformedError,
    ConfigurationError,
    JsonError,
    LedgerError,
    RecordError,
    TrustError,
)
from gateway.record.canonical import Json, load_strict
from gateway.verify import (
    MAX_ANSWER,
    MAX_TRUST,
    Trust,
    VerifiedDecision,
    read_answer,
)
from gateway.verify.erased import verify_answer
from gateway.verify.refused import CannotTellError
from gateway.verify.transparent import FIRST_BYTE, verify_statement

if TYPE_CHECKING:
    from gateway.cli.verify_gateway import Told


def verify(args: Namespace) -> int:
    """Check an answer offline: signature, place in the log, and what surrounds them."""
    trust_file = read_file(args.trust, limit=MAX_TRUST)
    answer_file = read_file(args.answer, limit=MAX_ANSWER)
    request = _request(args)
    try:
        trust = Trust.from_json(trust_file)
    except TrustError as error:
        raise ConfigurationError(f"{args.trust}: {error}") from error
    try:
        if answer_file.startswith(FIRST_BYTE):
            verified = verify_statement(answer_file, trust, expect_request=request)
        elif request is None:
            verified = verify_answer(read_answer(answer_file), trust)
        else:
            verified = verify_answer(read_answer(answer_file), trust, expect_request=request)
    except CannotTellError as error:
        sys.stdout.write(_cannot_tell(error, args.format))
        return exit_codes.INDETERMINATE
    except (RecordError, LedgerError) as error:
        sys.stdout.write(_refused(error, args.format))
        return exit_codes.REFUSED
    told = _gateway(args, verified)
    if told is not None and told.code != exit_codes.OK:
        sys.stdout.write(told.text(args.format))
        return told.code
    if args.re_appraise:
        return _again(args, verified, trust, told)
    sys.stdout.write(_verified(verified, args.format, told))
    return exit_codes.OK


def _again(args: Namespace, verified: VerifiedDecision, trust: Trust, told: "Told | None") -> int:
    """The record holds; whether its evidence comes out again is what is left."""
    from gateway.cli import verify_again

    again = verify_again.judge_again(args, verified, trust)
    if args.format == "json":
        sys.stdout.write(_json({**_body(verified, told), **verify_again.members(again)}))
    else:
        # A line that begins with OK would be read as the verdict.
        head = _verified(verified, args.format, told) if again.worst is None else ""
        lines = "".join(f"{printable(line)}\n" for line in verify_again.lines(again))
        sys.stdout.write(head + lines)
    return verify_again.code_of(again.worst)


def _gateway(args: Namespace, verified: VerifiedDecision) -> "Told | None":
    """What the evidence of the gateway shows, where somebody asks."""
    if args.gateway_evidence is None:
        return None
    from gateway.cli.verify_gateway import rely_on

    return rely_on(args, verified)


def _request(args: Namespace) -> Json:
    if args.request is None:
        return None
    try:
        value = load_strict(read_file(args.request, limit=MAX_ANSWER), max_bytes=MAX_ANSWER)
    except JsonError as error:
        raise ConfigurationError(f"{args.request}: {error}") from error
    if value is None:
        raise ConfigurationError(f"{args.request}: null is no question")
    return value


def _refused(error: RecordError | LedgerError, style: str) -> str:
    if style == "json":
        return _json({"verdict": "bad", "reason": error.reason, "detail": str(error)})
    hint = "; is this the file you saved?" if isinstance(error, AnswerMalformedError) else ""
    # Names in the answer are the forger's: a line break in one must not print a line.
    return f"NOT VERIFIED ({error.reason}): {printable(str(error))}{hint}\n"


def _cannot_tell(error: CannotTellError, style: str) -> str:
    if style == "json":
        return _json({"verdict": "cannot tell", "reason": error.reason, "detail": str(error)})
    return f"CANNOT TELL ({error.reason}): {printable(str(error))}\n"


def _verified(verified: VerifiedDecision, style: str, told: "Told | None") -> str:
    if style == "json":
        return _json(_body(verified, told))
    return (
        f"OK: decision {verified.id} ({verified.decision}) is entry {verified.index} "
        f"in the checkpoint of {verified.tree_size} of {verified.origin}{_told(verified)}\n"
        + ("" if told is None else f"{told.words()}\n")
    )


def _body(verified: VerifiedDecision, told: "Told | None") -> dict[str, object]:
    return {
        "verdict": "good",
        "id": verified.id,
        "decision": verified.decision,
        **_about(verified),
        "origin": verified.origin,
        "index": verified.index,
        "tree_size": verified.tree_size,
        "key_ids": list(verified.key_ids),
        **({} if told is None else {"gateway": told.members}),
    }


def _about(verified: VerifiedDecision) -> dict[str, object]:
    """What was decided, when, and until when it counts, as it was signed."""
    names = ("action", "entities", "decided_at", "valid_until")
    return {name: verified.predicate.get(name) for name in names}


def _told(verified: VerifiedDecision) -> str:
    """The same in words; a record leaves out what an older gateway did not say."""
    about = _about(verified)
    named = [f"`{about['action']}`"] if isinstance(about["action"], str) else []
    entities = about["entities"]
    for entity in cast("list[object]", entities) if isinstance(entities, list) else []:
        if isinstance(entity, dict):
            members = cast("dict[str, object]", entity)
            named.append(f"{members.get('record')} {members.get('id')}")
    for word, name in (("decided", "decided_at"), ("valid until", "valid_until")):
        if isinstance(about[name], str):
            named.append(f"{word} {about[name]}")
    return printable(f"; {', '.join(named)}") if named else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
