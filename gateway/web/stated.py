"""The limits of the gateway as numbers, in one table: what configuration, metadata, the OpenAPI
file and the tests tell is taken from here, and what stands here is that of the code."""

from collections.abc import Mapping
from dataclasses import dataclass

from dsl.facts import MAX_TERM_LENGTH, MAX_TERMS
from gateway import bundle, fetch
from gateway.ledger import once
from gateway.nodes import challenge
from gateway.pdp.combine import DEFAULT_TIMEOUT_S
from gateway.record.canonical import MAX_DEPTH, MAX_INTEGER, MAX_KEYS, MAX_STRING, MAX_VALUES
from gateway.service import DECISION_TIMEOUT_S, MAX_BODY_BYTES
from gateway.sources.settings import MAX_TIMEOUT_MS
from gateway.web import attesting, connections, idempotency, limits, protocol

# A decimal beyond its type is refused anyway; none has more digits than this.
MAX_DECIMAL_DIGITS = 30


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes:
        name: By which it is told. `_ms` are milliseconds, `_bytes` bytes.
        value: Where nobody sets another.
        setting: The setting by which an operator does, as in the settings file; empty where
            there is none.
    """

    name: str
    value: int
    setting: str = ""


LIMITS = (
    Limit("body_bytes", MAX_BODY_BYTES),
    Limit("batch_bytes", limits.MAX_BATCH_BYTES),
    Limit("batch_items", limits.MAX_BATCH),
    Limit("page_items", limits.MAX_PAGE),
    Limit("head_bytes", protocol.MAX_HEAD_BYTES),
    Limit("headers", protocol.MAX_HEADERS),
    Limit("json_depth", MAX_DEPTH),
    Limit("json_keys", MAX_KEYS),
    Limit("json_values", MAX_VALUES),
    Limit("batch_values", limits.MAX_BATCH_VALUES),
    Limit("string_bytes", MAX_STRING),
    Limit("integer", MAX_INTEGER),
    Limit("decimal_digits", MAX_DECIMAL_DIGITS),
    Limit("set_elements", MAX_TERMS),
    Limit("term_characters", MAX_TERM_LENGTH),
    Limit("head_ms", int(connections.HEAD_TIMEOUT_S * 1000)),
    Limit("body_ms", int(limits.BODY_TIMEOUT_S * 1000)),
    Limit("body_bytes_per_second", connections.MIN_BODY_RATE),
    Limit("turn_ms", int(limits.TURN_TIMEOUT_S * 1000)),
    Limit("engine_ms", int(DEFAULT_TIMEOUT_S * 1000), "engines.timeouts"),
    Limit("decision_ms", int(DECISION_TIMEOUT_S * 1000), "limits.decision_ms"),
    Limit("in_flight_of_tenant", limits.MAX_IN_FLIGHT, "limits.in_flight_of_tenant"),
    Limit("bytes_in_flight_of_tenant", limits.MAX_BYTES_IN_FLIGHT),
    Limit("idempotency_key_characters", idempotency.MAX_KEY),
    Limit("idempotency_keys_of_tenant", once.MAX_KEYS),
    Limit("idempotency_bytes_of_tenant", once.MAX_BYTES),
    Limit("idempotency_ms", idempotency.KEPT_S * 1000),
    Limit("evidence_bytes", attesting.MAX_EVIDENCE_BYTES),
    Limit("challenges_of_tenant", challenge.MAX_OPEN),
    Limit("challenge_ms", int(challenge.VALID.total_seconds() * 1000)),
    Limit("connections", connections.MAX_CONNECTIONS, "listen.connections"),
    Limit(
        "connections_of_client",
        connections.MAX_CONNECTIONS_OF_CLIENT,
        "listen.connections_of_client",
    ),
    Limit("charter_bytes", bundle.MAX_BYTES),
    Limit("charter_files", bundle.MAX_FILES),
    Limit("charter_rules", bundle.MAX_RULES),
    Limit("outbound_ms", int(fetch.TIMEOUT_S * 1000)),
    Limit("outbound_bytes", fetch.MAX_BYTES),
    Limit("fact_source_ms", MAX_TIMEOUT_MS),
)
Stated = Mapping[str, int]


def stated_limits(chosen: Stated | None = None) -> dict[str, int]:
    """All limits by name, with what the operator has set in place of what stands here."""
    return {limit.name: limit.value for limit in LIMITS} | dict(chosen or {})
