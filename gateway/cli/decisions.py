"""`charter decide` and `charter verify`: ask, and check without trusting the gateway."""

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from argparse import Namespace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from gateway.callers import Caller
from gateway.cli import exit_codes, output
from gateway.cli.assemble import assemble, judge_only, local_state
from gateway.errors import ConfigurationError, GatewayError, RequestError
from gateway.pdp.request import DecisionRequest
from gateway.record.canonical import load_strict
from gateway.service import MAX_BODY_BYTES
from gateway.state import DEFAULT_TENANT
from gateway.verify import Trust, VerifiedDecision, read_answer, verify_decision

_CODES = {
    "permit": exit_codes.OK,
    "deny": exit_codes.REFUSED,
    "indeterminate": exit_codes.INDETERMINATE,
}
MAX_ANSWER = 4 * 1024 * 1024


def decide(args: Namespace) -> int:
    """Put one question and print the answer."""
    body = _read(args.request)
    if args.on is not None:
        answer = asyncio.run(_dry(args, body))
        sys.stderr.write("A dry run: nothing was signed or recorded.\n")
    elif args.url is not None:
        answer = _post(args.url, _token(args), body)
    else:
        answer = asyncio.run(_local(args, body))
    if args.save is not None:
        args.save.write_text(output.to_json(answer), encoding="utf-8")
    sys.stdout.write(output.decision(answer, style=args.format))
    return _CODES[str(answer["decision"])]


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot read the question: {error.strerror}") from error


async def _local(args: Namespace, body: bytes) -> dict[str, Any]:
    state = local_state(args)
    service = assemble(args, state)
    try:
        await service.check_engines()
        return await service.decide(body, Caller("command-line", DEFAULT_TENANT))
    finally:
        await service.close()


async def _dry(args: Namespace, body: bytes) -> dict[str, Any]:
    """What would be decided at noon of a day, with today's catalogue; unsigned."""
    now = datetime.combine(args.on, time(12), ZoneInfo("Europe/Brussels")).astimezone(UTC)
    value = load_strict(body, max_bytes=MAX_BODY_BYTES)
    return await judge_only(args, DecisionRequest.read(value), now)


def _token(args: Namespace) -> str:
    if args.token_file is not None:
        try:
            return args.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{args.token_file}: {error.strerror}") from error
    token = os.environ.get("CHARTER_TOKEN")
    if not token:
        raise ConfigurationError("set CHARTER_TOKEN, or give --token-file")
    return token


def _post(url: str, token: str, body: bytes) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"`{url}` is no http address of a gateway")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url.rstrip("/") + "/v1/decisions",
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return cast("dict[str, Any]", json.loads(response.read(MAX_ANSWER)))
    except urllib.error.HTTPError as error:
        raise _problem(error.read(MAX_ANSWER), error.code) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no answer from {url}: {error}") from error


def _problem(body: bytes, status: int) -> GatewayError:
    try:
        problem = cast("dict[str, Any]", json.loads(body))
        errors = problem.get("errors") or [{"pointer": ""}]
        return RequestError(
            f"{problem['title']}: {problem.get('detail', '')}".rstrip(": "),
            pointer=errors[0]["pointer"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ConfigurationError(f"the gateway answered with status {status}")


# --- charter verify ------------------------------------------------------------------


def verify(args: Namespace) -> int:
    """Check an answer offline: signature, place in the log, and what surrounds them."""
    try:
        trust = Trust.from_json(_bytes(args.trust))
        answer = read_answer(_bytes(args.answer))
        request = None if args.request is None else json.loads(_bytes(args.request))
    except ValueError as error:
        raise ConfigurationError(f"{args.request}: this is not JSON") from error
    try:
        verified = verify_decision(answer, trust, expect_request=request)
    except GatewayError as error:
        reason = getattr(error, "reason", "unknown")
        if args.format == "json":
            sys.stdout.write(
                output.to_json({"verdict": "bad", "reason": reason, "detail": str(error)})
            )
        else:
            sys.stdout.write(f"NOT VERIFIED ({reason}): {error}\n")
        return exit_codes.REFUSED
    sys.stdout.write(_verified(verified, args.format))
    return exit_codes.OK


def _verified(verified: VerifiedDecision, style: str) -> str:
    if style == "json":
        return output.to_json(
            {
                "verdict": "good",
                "id": verified.id,
                "decision": verified.decision,
                "origin": verified.origin,
                "index": verified.index,
                "tree_size": verified.tree_size,
                "key_ids": list(verified.key_ids),
            }
        )
    return (
        f"OK: decision {verified.id} ({verified.decision}) is entry {verified.index} "
        f"in the checkpoint of {verified.tree_size} of {verified.origin}\n"
    )


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_ANSWER:
            raise ConfigurationError(f"{path} is larger than 4 MiB")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
