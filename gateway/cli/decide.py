"""`charter decide`: put one question."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import cast

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

_CODES = {
    "permit": exit_codes.OK,
    "deny": exit_codes.REFUSED,
    "indeterminate": exit_codes.INDETERMINATE,
}


def decide(args: Namespace) -> int:
    """Put one question and print the answer."""
    if args.url is not None and args.on is not None:
        raise ConfigurationError("--on is a dry run here; a gateway decides for today alone")
    body = _read(args.request)
    if args.on is not None:
        answer = asyncio.run(_dry(args, body))
        sys.stderr.write("A dry run: nothing was signed or recorded.\n")
    elif args.url is not None:
        answer = ask(args.url, read_token(args.token_file), body)
        _believe(answer, body, args.trust)
    else:
        answer = asyncio.run(_local(args, body))
    try:
        text = output.decision(answer, style=args.format)
        code = _CODES[str(answer["decision"])]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError("the answer has not the shape of a decision") from error
    sys.stdout.write(text)
    if args.save is not None:
        write_private(args.save, output.to_json(answer).encode())
    return code


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


async def _local(args: Namespace, body: bytes) -> Mapping[str, object]:
    """A recorded decision, made in this process with the keys of the state folder."""
    from gateway.cli.assemble import Parts, local_state

    tenant = _tenant(body)
    parts = Parts(args)
    service = parts.service(local_state(args))
    try:
        await service.check_engines()
        return await service.decide(body, Caller("command-line", tenant))
    finally:
        await service.close()


def _tenant(body: bytes) -> str:
    """The tenant that the question names: who holds the keys may speak for any."""
    request = DecisionRequest.read(load_strict(body, max_bytes=MAX_BODY_BYTES))
    tenant = cast("object", request.subject.properties.get("tenant"))
    return tenant if isinstance(tenant, str) and tenant else DEFAULT_TENANT


async def _dry(args: Namespace, body: bytes) -> Mapping[str, object]:
    """What would be decided on a day, with today's catalogue; unsigned."""
    from gateway.cli.assemble import Parts

    request = DecisionRequest.read(load_strict(body, max_bytes=MAX_BODY_BYTES))
    judge = Parts(args).judge()
    try:
        return (await judge.judge_on(request, args.on)).body()
    finally:
        await judge.close()
