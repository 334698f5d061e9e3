"""A second gateway, written from conformance/PROTOCOL.md alone: tables and the rule that
the unknown never permits. It shares no code with the first one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from tests.conformance.serving import PROBLEM, TOKEN, App, Handler, send

Body = dict[str, Any]
Facts = Mapping[str, Any]

PERSONAL = {"personal", "health"}
EEA = set(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK "
    "IS LI NO".split()
)
SITES: dict[str, dict[str, Any]] = {
    "aws-eusc/eusc-de-east-1": {"destination.countries": ["DE"], "destination.operates": True},
    "nersc/perlmutter": {"destination.countries": ["US"], "destination.operates": True},
}
TEXT, TEXTS, TRUTH, NUMBER = "text", "texts", "truth", "number"
DECLARED = {
    "subject.properties.sector": TEXT,
    "subject.properties.entity_class": TEXT,
    "subject.properties.exporter_country": TEXT,
    "subject.properties.critical_entity": TRUTH,
    "subject.properties.supports_essential_service": TRUTH,
    "context.data.labels": TEXTS,
    "context.data.datasets": TEXTS,
    "context.transfer.mechanism": TEXT,
    "context.transfer.impact_assessment": TEXT,
    "context.transfer.decision_applies_at_exporter": TRUTH,
    "context.supplier.risk_assessment": TEXT,
    "context.supplier.assessment_age": NUMBER,
    "context.continuity.alternative_provider": TRUTH,
    "context.ai.area": TEXT,
    "context.ai.automatic_logs": TRUTH,
    "context.ai.log_retention": NUMBER,
    "context.ai.placed_before_dates": TRUTH,
    "context.ai.for_public_authority": TRUTH,
}
FITS: dict[str, Callable[[Any], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    TEXTS: lambda value: isinstance(value, list) and {type(v) for v in cast("Any", value)} <= {str},
    TRUTH: lambda value: isinstance(value, bool),
    NUMBER: lambda value: type(value) is int,
}

# Rule, clause, what it binds, what it demands, what else lets pass, and the duties. Every
# condition is a list of tests that must all hold: fact, test, operand.
Test = tuple[str, str, Any]
RULES: list[dict[str, Any]] = [
    {
        "rule": "eu.gdpr.transfers/protected-destination",
        "clause": ("GDPR", "32016R0679", "44"),
        "binds": [("context.data.labels", "has any of", PERSONAL)],
        "demands": [("destination.countries", "all within", EEA)],
        "or": [
            ("context.transfer.mechanism", "is one of", {"scc-m1", "scc-m2", "scc-m3"}),
            ("context.transfer.impact_assessment", "is one of", {"favourable"}),
        ],
        "duty of or": "keep-transfer-record",
        "duty": None,
    },
    {
        "rule": "eu.critical-infrastructure/assessed-supplier",
        "clause": ("NIS2", "32022L2555", "21(2)(d)"),
        "binds": [("subject.properties.entity_class", "is one of", {"essential", "important"})],
        "demands": [
            ("context.supplier.risk_assessment", "is one of", {"favourable"}),
            ("context.supplier.assessment_age", "is at most", 365),
        ],
        "or": [("no such fact", "never", None)],
        "duty of or": None,
        "duty": "review-supplier",
    },
]
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "has any of": lambda value, operand: not operand.isdisjoint(value),
    "all within": lambda value, operand: operand.issuperset(value),
    "is one of": lambda value, operand: value in operand,
    "is at most": lambda value, operand: value <= operand,
}


class RefusedError(Exception):
    """The question is malformed."""


def read(body: bytes) -> Facts:
    """The facts of a question and of the catalogue."""
    try:
        question = json.loads(body)
    except ValueError as error:
        raise RefusedError("not JSON") from error
    for part, needed in {"subject": "id", "action": "name", "resource": "id"}.items():
        if not isinstance(question.get(part), dict) or needed not in question[part]:
            raise RefusedError(f"{part} is missing")
    if question["resource"].get("properties"):
        raise RefusedError("only the catalogue states facts of a site")
    site = SITES.get(question["resource"]["id"])
    if site is None or question["action"] != {"name": "place"}:
        raise RefusedError("no such site or action")
    stated = {"context": question.get("context", {})}
    stated["subject"] = {"properties": question["subject"].get("properties", {})}
    facts = dict(site)
    for path, value in _flat("", stated):
        if path not in DECLARED or not FITS[DECLARED[path]](value):
            raise RefusedError(f"{path} cannot be stated so")
        facts[path] = value
    return facts


def _flat(at: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        members = cast("Body", value)
        return [
            pair for name in members for pair in _flat(f"{at}.{name}".lstrip("."), members[name])
        ]
    return [] if value is None else [(at, value)]


def all_hold(tests: list[Test], facts: Facts) -> bool | None:
    """True, False, or None for unknown."""
    found: list[bool | None] = []
    for path, test, operand in tests:
        if test == "never":
            found.append(False)
        else:
            found.append(TESTS[test](facts[path], operand) if path in facts else None)
    return False if False in found else None if None in found else True


def decide(facts: Facts) -> Body:
    """The answer to a question."""
    reasons: list[Body] = []
    missing: set[str] = set()
    duties: list[str] = []
    for rule in RULES:
        parts = [all_hold(rule[part], facts) for part in ("binds", "demands", "or")]
        binds, demands, other = parts
        if binds is False:
            continue
        if rule["duty"]:
            duties.append(rule["duty"])
        if demands:
            continue
        if other:
            duties.append(rule["duty of or"])
            continue
        status = "forbidden" if parts == [True, False, False] else "undetermined"
        law, celex, article = rule["clause"]
        citation = {"law": law, "celex": celex, "article": article}
        reasons.append({"rule": rule["rule"], "status": status, "citations": [citation]})
        tests = [test for part in ("binds", "demands", "or") for test in rule[part]]
        missing |= {path for path, test, _ in tests if path not in facts and test != "never"}
    decision = "permit"
    if reasons:
        forbidden = any(reason["status"] == "forbidden" for reason in reasons)
        decision = "deny" if forbidden else "indeterminate"
    return {
        "id": "1",
        "decision": decision,
        "reasons": reasons,
        "obligations": [] if reasons else [{"id": duty} for duty in duties],
        "missing": [{"path": path.removeprefix("context.")} for path in sorted(missing)],
        "bundle": "sha256:0000",
    }


def answer(body: bytes) -> tuple[int, Body]:
    """Status and body."""
    try:
        return 200, decide(read(body))
    except RefusedError as error:
        return 422, {"type": "about:blank", "title": "Malformed", "detail": str(error)}


Change = Callable[[int, Body, Body], tuple[int, Body]]


def minimal(change: Change | None = None) -> App:
    """The gateway, or one that spoils status and answer by `change(status, answer, asked)`."""

    def app(handler: Handler, body: bytes) -> None:
        if handler.headers["Authorization"] != f"Bearer {TOKEN}":
            send(handler, 401, b"{}", PROBLEM, **{"WWW-Authenticate": "Bearer"})
            return
        status, content = answer(body)
        if change is not None:
            status, content = change(status, content, json.loads(body))
        media_type = "application/json" if status == 200 else PROBLEM
        send(handler, status, json.dumps(content).encode(), media_type)

    return app
