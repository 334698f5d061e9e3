"""The places of the native doors, each with what it takes and says."""

from gateway.web import problem
from gateway.web.decisions import DecisionDoor
from gateway.web.idempotency import PARAMETER
from gateway.web.openapi import QUESTION
from gateway.web.public import PublicDoor
from gateway.web.routes import JSON, Answer, Operation, Parameter, ref
from gateway.web.schemas import STRING

TEXT = "text/plain; charset=utf-8"
_ID = Parameter("id", "The id of a decision of the caller's tenant")
_NOT_CACHED = {"Cache-Control": "`no-store`"}
# Whatever reads a body as a question may say these.
OF_A_QUESTION = (
    problem.FORBIDDEN,
    problem.MALFORMED_JSON,
    *problem.QUESTIONS.values(),
    problem.NOT_JSON,
    problem.TOO_LARGE,
    problem.TOO_BUSY,
    problem.OVERLOADED,
    problem.TOO_LATE,
    problem.LEDGER_UNAVAILABLE,
    problem.SIGNER_UNAVAILABLE,
)


def decision_places(door: DecisionDoor) -> tuple[Operation, ...]:
    decision = {200: Answer("The decision", {JSON: ref("Decision")}, _NOT_CACHED)}
    found = (problem.FORBIDDEN, problem.NOT_FOUND, problem.TOO_BUSY, problem.OVERLOADED)
    read = (*found, problem.ERASED)
    return (
        Operation(
            "POST",
            "/v1/decisions",
            door.create,
            "decide",
            "Put one question",
            decision,
            (*OF_A_QUESTION, *problem.OF_A_KEY),
            body=ref(QUESTION),
            parameters=(PARAMETER,),
        ),
        Operation(
            "GET",
            "/v1/decisions/{id}",
            door.read,
            "readDecision",
            "Read a decision again, with a proof against the newest checkpoint",
            decision,
            read,
            parameters=(_ID,),
        ),
        Operation(
            "GET",
            "/v1/decisions/{id}/proof",
            door.proof,
            "readProof",
            "Read the proof of a decision against the newest checkpoint",
            {200: Answer("The proof", {TEXT: STRING}, _NOT_CACHED)},
            found,
            parameters=(_ID,),
        ),
    )


def public_places(door: PublicDoor) -> tuple[Operation, ...]:
    tag = {"ETag": "Changes when the bundle does"}
    return (
        Operation(
            "GET",
            "/v1/bundle",
            door.bundle,
            "readBundle",
            "Read the digests of the bundle in force",
            {200: Answer("The manifest", {JSON: ref("Manifest")})},
        ),
        Operation(
            "GET",
            "/v1/trust",
            door.trust,
            "readTrust",
            "Read the public keys of this gateway",
            {200: Answer("The trust file", {JSON: ref("Trust")})},
            is_open=True,
        ),
        Operation(
            "GET",
            "/bundles/charter.tar.gz",
            door.opa_bundle,
            "readOpaBundle",
            "Read the bundle for stock Open Policy Agent servers",
            {
                200: Answer("The bundle", {"application/gzip": {}}, tag),
                304: Answer("The bundle is the one of `If-None-Match`", {}, tag),
            },
            parameters=(Parameter("If-None-Match", "An `ETag` that came before", "header"),),
        ),
        Operation(
            "GET",
            "/checkpoint",
            door.checkpoint,
            "readCheckpoint",
            "Read the newest checkpoint of the log",
            {200: Answer("A signed note (C2SP tlog-checkpoint)", {TEXT: STRING})},
            is_open=True,
        ),
    )
