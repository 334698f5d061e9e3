"""Gateways that are wrong on purpose: in what they decide, and in how they answer."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.conformance.minimal_gateway import Body, Change, answer, minimal
from tests.conformance.serving import JSON, PROBLEM, TOKEN, App, Handler, send

PERMIT: Body = {
    "id": "1",
    "decision": "permit",
    "reasons": [],
    "obligations": [{"id": "keep-transfer-record"}, {"id": "review-supplier"}],
    "missing": [],
}
DENY: Body = {
    "id": "1",
    "decision": "deny",
    "reasons": [
        {
            "rule": rule,
            "status": "forbidden",
            "citations": [{"law": "", "celex": celex, "article": art}],
        }
        for rule, celex, art in (
            ("eu.gdpr.transfers/protected-destination", "32016R0679", "44"),
            ("eu.critical-infrastructure/assessed-supplier", "32022L2555", "21"),
        )
    ],
    "obligations": [],
    "missing": [{"path": "transfer.mechanism"}],
}
for _reason in DENY["reasons"]:
    _reason["citations"][0]["law"] = "a law"


# --- wrong in what they decide ---


def reads_instead(path: str, value: object) -> App:
    """Takes one attribute for granted, whatever the question says."""

    def app(handler: Handler, body: bytes) -> None:
        question = json.loads(body)
        *above, last = path.split("/")
        place = question
        for part in above:
            place = place.get(part, {})
        place[last] = value
        reply(handler, *answer(json.dumps(question).encode()))

    return app


def reply(handler: Handler, status: int, content: Body) -> None:
    """An answer in the right media type."""
    send(handler, status, json.dumps(content).encode(), JSON if status == 200 else PROBLEM)


def only_decided(change: Callable[[Body, Body], Body]) -> Change:
    """Change the answers that decide and leave refusals as they are."""
    return lambda status, content, asked: (
        (status, change(content, asked)) if status == 200 else (status, content)
    )


def takes_claims(handler: Handler, body: bytes) -> None:
    """Believes a caller who says where a site is."""
    question = json.loads(body)
    claimed = question.get("resource", {}).pop("properties", None)
    if claimed:
        question["resource"]["id"] = "aws-eusc/eusc-de-east-1"
    reply(handler, *answer(json.dumps(question).encode()))


def drops_claims(handler: Handler, body: bytes) -> None:
    """Decides as if the caller had not claimed anything."""
    question = json.loads(body)
    question.get("resource", {}).pop("properties", None)
    reply(handler, *answer(json.dumps(question).encode()))


def exact_labels(handler: Handler, body: bytes) -> None:
    """Does not know that health data are personal data."""
    reply(handler, *answer(body.replace(b'["health"]', b'["internal"]')))


def prefix_of_labels(handler: Handler, body: bytes) -> None:
    """Takes a string for the list that holds it."""
    reply(handler, *answer(body.replace(b'"labels":"personal"', b'"labels":["personal"]')))


def another_duty(content: Body, asked: Body) -> Body:
    """A permit whose duties have names of its own."""
    return {**content, "obligations": [{"id": "be-good"} for _ in content["obligations"]]}


def _to(outcome: str, other: str) -> Change:
    def change(content: Body, asked: Body) -> Body:
        if content["decision"] != outcome:
            return content
        return {**content, "decision": other, **({"reasons": []} if other == "permit" else {})}

    return only_decided(change)


def _with(**members: Any) -> App:
    """Right, but for some members of the answer; None takes a member away."""

    def change(content: Body, asked: Body) -> Body:
        return {name: value for name, value in {**content, **members}.items() if value is not None}

    return minimal(only_decided(change))


def _with_reasons(**members: object) -> App:
    def change(content: Body, asked: Body) -> Body:
        return {**content, "reasons": [{**reason, **members} for reason in content["reasons"]]}

    return minimal(only_decided(change))


DECIDE_WRONGLY: dict[str, tuple[App, str]] = {
    "always-permits": (minimal(only_decided(lambda _, _asked: PERMIT)), "T2 S1 N2 L2 K2"),
    "always-denies": (minimal(only_decided(lambda _, _asked: DENY)), "T1 S2 N1 L1 K1 K2"),
    "permits-on-unknown": (minimal(_to("indeterminate", "permit")), "K2"),
    "denies-on-unknown": (minimal(_to("indeterminate", "deny")), "K2"),
    "never-sure": (minimal(_to("deny", "indeterminate")), "T2 S1 N2 L2"),
    "ignores-the-site-eu": (
        reads_instead("resource/id", "aws-eusc/eusc-de-east-1"),
        "T2 S1 S2 L2 K2",
    ),
    "ignores-the-site-us": (reads_instead("resource/id", "nersc/perlmutter"), "T1"),
    "ignores-the-mechanism-none": (
        reads_instead("context/transfer/mechanism", "none"),
        "S2 K1 K2",
    ),
    "ignores-the-mechanism-scc": (reads_instead("context/transfer/mechanism", "scc-m2"), "S1 K2"),
    "ignores-the-supplier": (
        reads_instead("context/supplier/risk_assessment", "favourable"),
        "N2",
    ),
    "distrusts-every-supplier": (
        reads_instead("context/supplier/risk_assessment", "unfavourable"),
        "N1",
    ),
    "ignores-labels": (reads_instead("context/data/labels", ["internal"]), "T2 S1 S2 L2 K2"),
    "takes-all-for-personal": (reads_instead("context/data/labels", ["personal"]), "L1 L2"),
    "ignores-context": (reads_instead("context", {}), "T2 L1 L2 S1 S2 K1 N1 N2"),
    "takes-claims": (takes_claims, "T2"),
    "drops-claims": (drops_claims, "T2"),
    "exact-labels": (exact_labels, "S1 S2"),
    "prefix-of-labels": (prefix_of_labels, "L2"),
    "drops-obligations": (_with(obligations=[]), "S2 N1"),
    "another-obligation": (minimal(only_decided(another_duty)), "S2 N1"),
    "a-duty-on-a-denial": (_with(obligations=[*PERMIT["obligations"]]), "T2 S1 N2 L2 K2"),
    "cites-nothing": (_with_reasons(citations=[]), "T2 S1 N2 L2 K2"),
    "cites-another-law": (
        _with_reasons(citations=[{"law": "DORA", "celex": "32022R2554", "article": "44"}]),
        "T2 S1 N2 L2 K2",
    ),
    "cites-a-longer-number": (
        _with_reasons(citations=[{"law": "GDPR", "celex": "32016R0679", "article": "440"}]),
        "T2 S1 N2 L2 K2",
    ),
    "names-another-rule": (_with_reasons(rule="eu.other/rule"), "T2 S1 N2 L2 K2"),
    "names-no-missing-fact": (_with(missing=[]), "K2"),
    "answers-malformed-with-permit": (
        minimal(lambda status, content, _: (200, content if status == 200 else PERMIT)),
        "T2 L1 L2",
    ),
    "answers-malformed-with-deny": (
        minimal(lambda status, content, _: (200, content if status == 200 else DENY)),
        "T2 L1 L2",
    ),
    "refuses-and-permits": (
        minimal(lambda status, content, _: (status, content if status == 200 else PERMIT)),
        "T2 L1 L2",
    ),
    "refuses-by-404": (
        minimal(lambda status, content, _: (status if status == 200 else 404, content)),
        "T2 L1 L2",
    ),
}


# --- wrong in how they answer ---


def _always(body: bytes, media_type: str = JSON, status: int = 200, **more: str) -> App:
    return lambda handler, _: send(handler, status, body, media_type, **more)


def _spoilt(spoil: Callable[[bytes], bytes]) -> App:
    """The bytes of a right answer, spoilt."""

    def app(handler: Handler, body: bytes) -> None:
        status, content = answer(body)
        spoilt = spoil(json.dumps(content).encode())
        send(handler, status, spoilt, JSON if status == 200 else PROBLEM)

    return app


def _raw(text: bytes) -> App:
    """Bytes in place of an HTTP answer."""

    def app(handler: Handler, _: bytes) -> None:
        handler.close_connection = True
        handler.wfile.write(text)

    return app


def endless(handler: Handler, _: bytes) -> None:
    """A body that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _count in range(64):
        handler.wfile.write(b" " * 65536)


def failing_once(then: App) -> App:
    """500 on the first question alone; asking again would hide it."""
    asked: list[bytes] = []

    def app(handler: Handler, body: bytes) -> None:
        asked.append(body)
        send(handler, 500, b"{}", PROBLEM) if len(asked) == 1 else then(handler, body)

    return app


FAIL_EVERYWHERE: dict[str, App] = {
    "500": _always(b'{"title": "Internal"}', PROBLEM, 500),
    "500-with-a-permit": _always(json.dumps(PERMIT).encode(), JSON, 500),
    "503": _always(b"", PROBLEM, 503),
    "201": minimal(lambda status, content, _: (201 if status == 200 else status, content)),
    "204": _raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "html": _always(b"<!doctype html><title>Welcome</title>", "text/html"),
    "html-called-json": _always(b"<!doctype html><title>Welcome</title>"),
    "json-called-html": _always(json.dumps(PERMIT).encode(), "text/html"),
    "empty": _always(b""),
    "huge": _always(b" " * (1024 * 1024 + 1) + json.dumps(PERMIT).encode()),
    "endless": endless,
    "a-list": _always(b"[]"),
    "a-string": _always(b'"permit"'),
    "true": _always(b"true"),
    "deep": _always(b"[" * 100_000),
    "deep-object": _always(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "not-utf-8": _always(b'{"decision": "\xff"}'),
    "utf-16": _spoilt(lambda body: body.decode().encode("utf-16")),
    "nan": _spoilt(lambda body: body[:-1] + b', "x": NaN}'),
    "a-number-of-5000-digits": _spoilt(lambda body: body[:-1] + b', "x": ' + b"9" * 5000 + b"}"),
    "two-decisions": _spoilt(lambda body: body[:-1] + b', "decision": "permit"}'),
    "half-a-surrogate": _spoilt(lambda body: body[:-1] + b', "x": "\\ud800"}'),
    "trailing-bytes": _spoilt(lambda body: body + b"{}"),
    "cut-json": _spoilt(lambda body: body[:-1]),
    "repeats-the-token": _spoilt(lambda body: body[:-1] + f', "x": "{TOKEN}"}}'.encode()),
    "decision-true": _with(decision=True),
    "decision-one": _with(decision=1),
    "decision-list": _with(decision=["permit"]),
    "decision-capital": minimal(
        only_decided(lambda content, _: {**content, "decision": content["decision"].upper()})
    ),
    "reasons-text": _with(reasons="none"),
    "reasons-of-texts": _with(reasons=["eu.gdpr.transfers/protected-destination"]),
    "reasons-object": _with(reasons={}),
    "obligations-texts": _with(obligations=["keep-transfer-record", "review-supplier"]),
    "obligations-number": _with(obligations=0),
    "obligation-without-id": _with(obligations=[{"name": "review-supplier"}]),
    "missing-text": _with(missing=""),
    "missing-of-numbers": _with(missing=[1]),
    "no-id": _with(id=None),
    "empty-id": _with(id=""),
    "number-id": _with(id=7),
    "no-decision": _with(decision=None),
    "no-reasons": _with(reasons=None),
    "no-obligations": _with(obligations=None),
    "no-missing": _with(missing=None),
    "not-http": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "bad-status": _raw(b"HTTP/1.1 two hundred OK\r\n\r\n"),
    "endless-header": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
}


def hangs(handler: Handler, _: bytes) -> None:
    """Says nothing for longer than a run in a test waits."""
    time.sleep(0.6)


def drips(handler: Handler, _: bytes) -> None:
    """A byte now and then, so that no single wait is long."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n":
        time.sleep(0.05)
        handler.wfile.write(bytes([byte]))


def drips_a_body(handler: Handler, _: bytes) -> None:
    """The head at once and the body by the byte."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _count in range(40):
        time.sleep(0.05)
        handler.wfile.write(b" ")


INCONCLUSIVE: dict[str, tuple[App, str]] = {
    "hangs": (hangs, "timeout"),
    "drips": (drips, "timeout"),
    "drips-a-body": (drips_a_body, "timeout"),
    "429": (_always(b"{}", PROBLEM, 429), "rate-limited"),
    "cut-body": (
        _raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"),
        "connection-lost",
    ),
}
