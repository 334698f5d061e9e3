"""What a gateway says of evidence that it erased on legal grounds, checked."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.errors import AnswerDiffersError, AnswerMalformedError, GatewayError
from gateway.reappraise.documents import Documents
from gateway.reappraise.errors import EvidenceErasedError
from gateway.verify.decision import read_answer, verify_decision
from gateway.verify.trust import Trust

ACTION = "erase-evidence"


def find_tombstone(documents: Documents, sha256: str, trust: Trust) -> EvidenceErasedError | None:
    """What a genuine tombstone of that evidence leaves to be said; None where there is none.

    Raises:
        RecordError, LedgerError: There is one, and it does not hold.
    """
    for data in documents.said():
        try:
            answer = read_answer(data)
        except GatewayError:
            continue  # something else that has the word in it
        match answer.get("erased"):
            case {"evidence": str(named)} if named == f"sha256:{sha256}":
                return _check(answer, trust)
            case _:
                continue
    return None


def _check(answer: Mapping[str, object], trust: Trust) -> EvidenceErasedError:
    # No rules had a part in it.
    trust = replace(trust, terms=replace(trust.terms, rules={}))
    record = {name: answer[name] for name in ("record", "proof") if name in answer}
    said = verify_decision(record, trust)
    told = said.predicate.get("erased")
    if said.predicate.get("action") != ACTION or not isinstance(told, dict):
        raise AnswerMalformedError("the record does not say that evidence is erased")
    if answer.get("erased") != told:
        raise AnswerDiffersError(member="erased", expected=told, found=answer.get("erased"))
    return EvidenceErasedError(
        f"{told.get('evidence')} was erased at {said.predicate.get('decided_at')} by "
        f"{told.get('by')}: {told.get('reason')} ({told.get('authority')}); entry {said.index} "
        f"of {said.origin} says so"
    )
