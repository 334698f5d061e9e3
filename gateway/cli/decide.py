"""`charter decide`: put one question."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dsl.units import SPOKEN_BARE
from gateway.callers import Caller
from gateway.cli import exit_codes, output
from gateway.cli.files import read_file, write_private
from gateway.cli.remote import ask, read_token
from gateway.errors import ConfigurationError
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import load_strict
from gateway.service import MAX_BODY_BYTES
from gateway.state import DEFAULT_TENANT
from gateway.verify import MAX_TRUST, Trust, verify_decision

if TYPE_CHECKING:
    from gateway.cli.assemble import Parts
    from gateway.pdp.explanation import Explained, When

# An answer, the units of facts and, where it was asked for, how to explain it. Explaining
# comes last: an answer that was recorded is shown whatever happens then.
Answered = tuple[Mapping[str, object], Mapping[str, str], "Callable[[], Explained] | None"]

_CODES = {
    "permit": exit_codes.OK,
    "deny": exit_codes.REFUSED,
    "indeterminate": exit_codes.INDETERMINATE,
}


def decide(args: Namespace) -> int:
    """Put one question and print the answer."""
    _check_options(args)
    body = _read(args.request)
    explain: Callable[[], Explained] | None = None
    units: Mapping[str, str] = {}
    if args.as_of is not None:
        answer, units, explain = asyncio.run(_dry(args, body))
        sys.stderr.write("A dry run: nothing was signed or recorded.\n")
    elif args.url is not None:
        answer = ask(args.url, read_token(args.token_file), body)
        _believe(answer, body, args.trust)
    else:
        answer, units, explain = asyncio.run(_local(args, body))
    try:
        text = output.decision(answer, style=args.format, units=units)
        code = _CODES[str(answer["decision"])]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError("the answer has not the shape of a decision") from error
    if args.save is not None:
        write_private(args.save, output.to_json(answer).encode())
    if explain is None or args.format != "json":
        sys.stdout.write(text)
    if explain is not None:
        sys.stdout.write(_explanation(answer, explain(), args.format))
    return code


def _check_options(args: Namespace) -> None:
    if args.url is not None and args.as_of is not None:
        raise ConfigurationError("--as-of is a dry run here; a gateway decides for today alone")
    if args.url is not None and args.explain:
        raise ConfigurationError(
            "--explain needs the charters, which are not at hand with --url; repeat the question "
            "with --policies and --as-of"
        )
    for option in ("known_on", "profile"):
        if getattr(args, option) is not None and args.as_of is None:
            flag = f"--{option.replace('_', '-')}"
            raise ConfigurationError(f"{flag} is for a dry run: give --as-of as well")


def _explanation(answer: Mapping[str, object], told: "Explained", style: str) -> str:
    from gateway.cli.explanation_text import to_text
    from gateway.pdp.explanation import to_body

    if style == "json":
        # Beside the answer, not in it: what is added to a signed answer makes it void.
        return output.to_json({"answer": answer, "explanation": to_body(told)})
    return to_text(told, style=style)


def _believe(answer: Mapping[str, object], body: bytes, trust: Path | None) -> None:
    """Verify what a gateway answered, where its public keys are known.

    Raises:
        RecordError, LedgerError, TrustError: It is not this gateway's answer to this
            question.
    """
    if trust is None:
        sys.stderr.write("charter: not verified; give --trust FILE to check who answered\n")
        return
    question = load_strict(body, max_bytes=MAX_BODY_BYTES)
    keys = Trust.from_json(read_file(trust, limit=MAX_TRUST))
    verify_decision(answer, keys, expect_request=question)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
    return read_file(Path(name), limit=MAX_BODY_BYTES)


async def _local(args: Namespace, body: bytes) -> Answered:
    """A recorded decision, made in this process with the keys of the state folder."""
    from gateway.cli.assemble import Parts, local_state
    from gateway.kept import keep
    from gateway.pdp.explanation import When

    request = _request(body)
    tenant = _tenant(request) or DEFAULT_TENANT
    parts = Parts(args)
    service = parts.service(local_state(args))
    try:
        keep(args.state, parts.bundle, parts.catalogue, parts.catalogue_files)
        await service.check_engines()
        answer = await service.decide(body, Caller("command-line", tenant))
    finally:
        await service.close()
    now = datetime.fromisoformat(str(answer["decided_at"]))
    return answer, _units(parts), _explained(args, parts, request, When(now=now), tenant)


def _request(body: bytes) -> DecisionRequest:
    return DecisionRequest.read(load_strict(body, max_bytes=MAX_BODY_BYTES))


def _tenant(request: DecisionRequest) -> str | None:
    """The tenant that the question names: who holds the keys may speak for any."""
    tenant = cast("object", request.subject.properties.get("tenant"))
    return tenant if isinstance(tenant, str) and tenant else None


async def _dry(args: Namespace, body: bytes) -> Answered:
    """What would be decided on a day, with the catalogue as it stands then or on another
    day; unsigned."""
    from gateway.cli.assemble import Parts
    from gateway.nodes.asking import refuse_evidence
    from gateway.pdp.explanation import When

    request = _request(body)
    tenant = _tenant(request) or DEFAULT_TENANT
    parts = Parts(args)
    refuse_evidence(request, parts.bundle.program)
    judge = parts.judge()
    try:
        judged = await judge.judge_on(
            request, args.as_of, args.known_on, tenant=tenant, profile=args.profile
        )
    finally:
        await judge.close()
    when = When(as_of=args.as_of, known_on=args.known_on)
    return judged.body(), _units(parts), _explained(args, parts, request, when, tenant)


def _units(parts: "Parts") -> Mapping[str, str]:
    """The units of numbers by the paths of their facts; an answer has the numbers alone, and
    versions are said so."""
    facts = parts.bundle.program.facts.items()
    return {path: f.unit for path, f in facts if f.unit and f.unit not in SPOKEN_BARE}


def _explained(
    args: Namespace, parts: "Parts", request: DecisionRequest, when: "When", tenant: str
) -> "Callable[[], Explained] | None":
    if not args.explain:
        return None
    from gateway.pdp.explanation import explained

    def explain() -> "Explained":
        program, catalogue = parts.bundle.program, parts.catalogue
        return explained(program, catalogue, request, when, tenant=tenant, profile=args.profile)

    return explain
