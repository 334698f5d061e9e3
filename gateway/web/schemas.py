"""JSON Schemas (2020-12) of what the gateway answers, for the OpenAPI file.

Objects are closed: a member that an answer has and its schema has not is a mistake.
"""

from collections.abc import Mapping

from gateway.pdp.supplied import Status
from gateway.web.routes import Schema, ref

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
ANY: Schema = {}


def closed(members: Mapping[str, Schema], *optional: str) -> Schema:
    """An object of exactly these members; those named besides may be absent."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": sorted(members.keys() - set(optional)),
        "additionalProperties": False,
    }


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def mapped(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


_ORIGIN = one_of("request", "catalogue", "verifier", "ledger", "clock")
_OUTCOME = one_of("permit", "deny", "indeterminate")

_DECISION: dict[str, Schema] = {
    "id": {"type": "string", "format": "uuid"},
    "tenant": STRING,
    "action": STRING,
    "entities": listed(closed({"record": STRING, "type": STRING, "id": STRING})),
    "decision": _OUTCOME,
    "grounds": listed(ref("Ground")),
    "reasons": listed(ref("Reason")),
    "missing": listed(
        closed(
            {
                "path": STRING,
                "rules": listed(STRING),
                "origin": _ORIGIN,
                "pointer": or_null({"type": "string", "format": "json-pointer"}),
            }
        )
    ),
    "obligations": listed(ref("Duty")),
    "advice": listed(ref("Duty")),
    "preference": INTEGER,
    "preferences": listed(closed({"rule": STRING, "title": STRING, "weight": INTEGER})),
    "warnings": listed(ref("Reason")),
    "shadow": listed(ref("Reason")),
    "engines": mapped(one_of("permit", "deny", "indeterminate", "error")),
    "incident": or_null(
        closed(
            {"kind": one_of("engine-error", "engine-disagreement"), "description": STRING},
        )
    ),
    "facts": listed(ref("Fact")),
    "disputed": listed(closed({"path": STRING, "origin": _ORIGIN})),
    "sources": listed(
        closed(
            {
                "source": STRING,
                "origin": _ORIGIN,
                "about": STRING,
                "id": STRING,
                "status": one_of(*(status.value for status in Status)),
                "observed_at": or_null(INSTANT),
                "digest": or_null(DIGEST),
                "said": mapped(ANY),
            }
        )
    ),
    "today": mapped(DAY),
    "bundle": DIGEST,
    "catalogue": DIGEST,
    "catalogue_layers": listed(DIGEST),
    "evidence": listed(ref("Attestation")),
    "gateway": closed({"evidence": DIGEST}),
    "decided_at": INSTANT,
    "valid_until": INSTANT,
    "record": ref("Record"),
    "proof": STRING,
}

_FIRMWARE = mapped(INTEGER)
_ATTESTATION: dict[str, Schema] = {
    "node": STRING,
    "site": STRING,
    "place": one_of("declared", "enrolled", "measured"),
    "purpose": one_of("standing", "decision"),
    "technology": STRING,
    "digest": DIGEST,
    "nonce": or_null(STRING),
    "freshness": one_of("challenged", "background"),
    "appraised_at": INSTANT,
    "valid_until": or_null(INSTANT),
    "verdict": one_of("accepted", "refused", "undecided"),
    "reason": STRING,
    "status": one_of("none", "affirming", "warning", "contraindicated"),
    "vector": mapped(INTEGER),
    "findings": listed(
        closed({"member": STRING, "value": INTEGER, "because": STRING, "clause": STRING})
    ),
    "lacking": listed(STRING),
    "skipped": listed(STRING),
    "policy": closed({"id": STRING, "digest": DIGEST}),
    "anchors": or_null(DIGEST),
    "register": DIGEST,
    "used": listed(closed({"kind": STRING, "digest": DIGEST})),
    "verifier": STRING,
    "product": or_null(STRING),
    "firmware": _FIRMWARE,
    "tcb_status": or_null(STRING),
    "advisories": listed(STRING),
    "attester": or_null(STRING),
    "measurements": mapped(STRING),
    "gpus": listed(
        closed(
            {
                "product": or_null(STRING),
                "firmware": _FIRMWARE,
                "confidential": or_null({"type": "boolean"}),
                "attester": or_null(STRING),
            }
        )
    ),
}

SCHEMAS: Mapping[str, Schema] = {
    "Attestation": closed(_ATTESTATION),
    "Decision": closed(_DECISION, "disputed", "sources", "catalogue_layers", "gateway"),
    "Citation": closed(
        {
            "law": STRING,
            "title": STRING,
            "celex": or_null(STRING),
            "locator": STRING,
            "article": or_null(STRING),
            "url": or_null(STRING),
        }
    ),
    "Ground": closed({"rule": STRING, "title": STRING, "citations": listed(ref("Citation"))}),
    "Reason": closed(
        {
            "rule": STRING,
            "status": one_of("forbidden", "undetermined", "uncovered", "permitted"),
            "title": STRING,
            "citations": listed(ref("Citation")),
            "because": STRING,
            "remedies": listed(STRING),
            "facts": listed(ref("Fact")),
        }
    ),
    "Fact": closed({"path": STRING, "value": ANY, "origin": _ORIGIN}),
    "Duty": closed(
        {
            "id": STRING,
            "rule": STRING,
            "title": STRING,
            "citations": listed(ref("Citation")),
            "parameters": mapped(ANY),
            "due": or_null({"anyOf": [DAY, INSTANT]}),
        }
    ),
    "Record": closed(
        {
            "payload": BASE64,
            "payloadType": {"const": "application/vnd.in-toto+json"},
            "signatures": listed(closed({"keyid": STRING, "sig": BASE64})),
        }
    ),
    "Manifest": closed(
        {"format": {"const": "charter-bundle/v1"}, "digest": DIGEST, "files": mapped(DIGEST)}
    ),
    "Trust": closed(
        {
            "format": one_of("charter-trust/v1", "charter-trust/v2"),
            "log": closed({"origin": STRING, "vkey": STRING}),
            "decision_keys": listed(
                closed(
                    {"keyid": STRING, "pem": STRING, "from": STRING, "until": STRING},
                    "from",
                    "until",
                )
            ),
            "further_logs": listed(
                closed({"origin": STRING, "vkey": STRING, "last_size": INTEGER}, "last_size")
            ),
            "threshold": INTEGER,
            "witnesses": closed(
                {
                    "quorum": {
                        "anyOf": [INTEGER, closed({"enough": INTEGER, "of": {"type": "array"}})]
                    },
                    "vkeys": listed(STRING),
                },
                "vkeys",
            ),
            "rules": listed(
                closed({"digest": DIGEST, "from": STRING, "until": STRING}, "from", "until")
            ),
            "receipt_keys": listed(
                closed(
                    dict.fromkeys(("origin", "keyid", "pem", "from", "until"), STRING),
                    "from",
                    "until",
                )
            ),
            "timestamps": {"type": "object"},
        },
        "further_logs",
        "threshold",
        "witnesses",
        "rules",
        "receipt_keys",
        "timestamps",
    ),
    "Problem": closed(
        {
            "type": {"type": "string", "format": "uri"},
            "title": STRING,
            "status": INTEGER,
            "detail": STRING,
            "errors": listed(closed({"pointer": STRING, "detail": STRING})),
            "retry_after_ms": INTEGER,
        },
        "retry_after_ms",
        "detail",
        "errors",
    ),
}
