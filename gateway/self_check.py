"""A first proof: the whole way of a record, from signature to verified proof, before anybody
is told that the gateway is ready.

In an empty log a record of our own is the first entry: the refusal of a question that no
caller can put. In any other log the newest entry is proved again.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from gateway.errors import ConfigurationError, GatewayError
from gateway.identifiers import OWN_TENANT, uuid7
from gateway.keys import DecisionSigner
from gateway.ledger.interface import Ledger
from gateway.record.canonical import Json, load_strict
from gateway.record.envelope import MAX_ENVELOPE, sign_envelope
from gateway.record.statement import PAYLOAD_TYPE, Statement, digest_request, write_statement
from gateway.verify import Trust, verify_decision

TENANT = OWN_TENANT
ACTION = "self-check"
QUESTION = {
    "subject": {"type": "gateway", "id": "self"},
    "action": {"name": ACTION},
    "resource": {"type": "gateway", "id": "self"},
}


async def self_check(
    ledger: Ledger,
    signer: DecisionSigner,
    trust: Mapping[str, object],
    *,
    loaded: Mapping[str, str],
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
) -> None:
    """Make a proof and verify it as a stranger would.

    Args:
        trust: What strangers are told to trust.
        loaded: The digests of `bundle` and `catalogue`.

    Raises:
        ConfigurationError: It cannot be made, or does not hold.
    """
    try:
        if ledger.size == 0:
            at = clock()
            record_id = uuid7(at, random)
            body = own_record(record_id, at, ACTION, loaded, signer)
            await asyncio.wrap_future(ledger.append(record_id, TENANT, body))
        await asyncio.to_thread(_prove_newest, ledger, Trust.from_json(json.dumps(trust).encode()))
    except GatewayError as error:
        raise ConfigurationError(f"the log gives no proof that holds: {error}") from error


def own_record(
    record_id: str,
    at: datetime,
    action: str,
    members: Mapping[str, Json],
    signer: DecisionSigner,
) -> bytes:
    """The signed refusal of a question that no caller can put, as the body of an entry.

    Args:
        action: What the gateway did.
        members: What its record says besides.
    """
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    predicate = {
        "id": record_id,
        "tenant": TENANT,
        "action": action,
        "decision": "deny",
        **members,
        "decided_at": stamp,
    }
    question = {**QUESTION, "action": {"name": action}}
    payload = write_statement(Statement(digest_request(question), predicate))
    return sign_envelope(payload, PAYLOAD_TYPE, signer).to_bytes()


def _prove_newest(ledger: Ledger, trust: Trust) -> None:
    newest = ledger.get_at(ledger.size - 1)
    if newest is None:
        raise ConfigurationError("the newest entry is missing")
    record = load_strict(newest.body, max_bytes=MAX_ENVELOPE, max_string=MAX_ENVELOPE)
    answer = {"record": record, "proof": ledger.proof(newest.id)}
    verify_decision(answer, trust, expect_id=newest.id)
