"""What a record names of evidence, by digest: read again by auditors, and erased by operators
on legal grounds."""

import asyncio
import re
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.evidence_erasure import EvidenceGoneError
from gateway.ledger.erased import ErasureRefusedError, NothingToEraseError
from gateway.nodes.documents import EVIDENCE, NOBODY, Documents, Kept
from gateway.record.canonical import load_strict
from gateway.service import Service
from gateway.watch import shown
from gateway.web import problem
from gateway.web.access import caller_of
from gateway.web.entrance import PRIVATE, Entrance, RefusedError
from gateway.web.erasing import GROUNDS, MAX_GROUNDS_BYTES, read_grounds
from gateway.web.routes import JSON, Answer, Operation, Parameter, Schema
from gateway.web.schemas import INTEGER, STRING, closed

_DIGEST = re.compile("[0-9a-f]{64}")
TOML = "application/toml"
_NOT_CACHED = {"Cache-Control": "`no-store`"}
_SHA256 = Parameter("sha256", "Its digest, 64 digits")
_REFUSES = (
    problem.FORBIDDEN,
    problem.NOT_FOUND,
    problem.TOO_BUSY,
    problem.OVERLOADED,
    problem.EVIDENCE_UNAVAILABLE,
    problem.EVIDENCE_ERASED,
)


class DocumentsDoor:
    """Evidence of the caller's tenant, and what all evidence is judged by.

    Args:
        documents: None where this gateway keeps none.
    """

    def __init__(self, service: Service, entrance: Entrance, documents: Documents | None) -> None:
        self._service = service
        self._entrance = entrance
        self._documents = documents

    def operations(self) -> tuple[Operation, ...]:
        text: Schema = {"type": "string"}
        document = {JSON: {"type": "object"}, TOML: text}
        said = {
            "digest": STRING,
            "erasure_id": STRING,
            "erasure_index": INTEGER,
            "tidy": {"type": "boolean"},
        }
        return (
            Operation(
                "GET",
                "/v1/attestation/documents/{sha256}",
                self.read,
                "readEvidenceDocument",
                "Read evidence of a machine, or what it was judged by, by its digest",
                {200: Answer("The document, as it was given", document, _NOT_CACHED)},
                _REFUSES,
                parameters=(_SHA256,),
            ),
            Operation(
                "POST",
                "/v1/attestation/documents/{sha256}/erasure",
                self.erase,
                "eraseEvidence",
                "Erase evidence of a machine, of any tenant, and log why",
                {200: Answer("What says so", {JSON: closed(said)}, _NOT_CACHED)},
                (
                    *_REFUSES,
                    problem.MALFORMED_JSON,
                    problem.QUESTIONS["malformed-question"],
                    problem.NOT_JSON,
                    problem.TOO_LARGE,
                    problem.LEDGER_UNAVAILABLE,
                    problem.ERASURE_REFUSED,
                ),
                body=GROUNDS,
                parameters=(_SHA256,),
            ),
        )

    async def read(self, request: Request) -> Response:
        caller, documents = caller_of(request), self._documents
        sha256 = request.path_params["sha256"]
        if documents is None or not _DIGEST.fullmatch(sha256):
            return problem.NOT_FOUND.response()
        try:
            async with self._entrance.reading(caller):
                found = await asyncio.to_thread(documents.find, sha256, (caller.tenant, NOBODY))
                body = None if found is None else await asyncio.to_thread(found.checked)
        except RefusedError as refused:
            return refused.response()
        if found is None:
            return problem.NOT_FOUND.response()
        if body is None:
            return await self._gone(found)
        kind = JSON if found.kind == EVIDENCE else TOML
        return Response(body, media_type=kind, headers=PRIVATE)

    async def _gone(self, found: Kept) -> Response:
        said = await self._service.recorded.evidence_tombstone(found.erasure or "")
        body = problem.EVIDENCE_ERASED.body() | dict(said)
        status = int(problem.EVIDENCE_ERASED.status)
        return JSONResponse(body, status, PRIVATE, problem.MEDIA_TYPE)

    async def erase(self, request: Request) -> Response:
        caller, documents = caller_of(request), self._documents
        sha256 = request.path_params["sha256"]
        try:
            async with self._entrance.body(request, caller, MAX_GROUNDS_BYTES) as data:
                value = load_strict(data, max_bytes=MAX_GROUNDS_BYTES)
                grounds = read_grounds(value, shown(caller.id))
                if documents is None or not _DIGEST.fullmatch(sha256):
                    return problem.NOT_FOUND.response()
                done = await self._service.recorded.erase_evidence(documents, sha256, grounds)
        except RefusedError as refused:
            return refused.response()
        except NothingToEraseError:
            return problem.NOT_FOUND.response()
        except ErasureRefusedError as error:
            return replace(problem.ERASURE_REFUSED, detail=str(error)).response()
        except EvidenceGoneError as error:
            return await self._gone(Kept(sha256, "", EVIDENCE, None, error.erasure_id))
        body = {
            "digest": f"sha256:{done.sha256}",
            "erasure_id": done.erasure_id,
            "erasure_index": done.erasure_index,
            "tidy": done.is_tidy,
        }
        return JSONResponse(body, headers=PRIVATE)
