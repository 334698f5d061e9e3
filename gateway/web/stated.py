"""The limits of the gateway as numbers, for whoever asks it: those of the code, and no copy."""

from gateway.pdp.combine import DEFAULT_TIMEOUT_S
from gateway.record.canonical import MAX_DEPTH, MAX_KEYS, MAX_STRING
from gateway.service import MAX_BODY_BYTES
from gateway.web import connections, limits, protocol


def stated_limits() -> dict[str, int]:
    """By name; times in milliseconds, sizes in bytes. Connections are those that stand
    where the operator sets no others."""
    return {
        "body_bytes": MAX_BODY_BYTES,
        "batch_bytes": limits.MAX_BATCH_BYTES,
        "batch_items": limits.MAX_BATCH,
        "page_items": limits.MAX_PAGE,
        "head_bytes": protocol.MAX_HEAD_BYTES,
        "headers": protocol.MAX_HEADERS,
        "json_depth": MAX_DEPTH,
        "json_keys": MAX_KEYS,
        "string_bytes": MAX_STRING,
        "integer": 2**53 - 1,
        "head_ms": int(connections.HEAD_TIMEOUT_S * 1000),
        "body_ms": int(limits.BODY_TIMEOUT_S * 1000),
        "turn_ms": int(limits.TURN_TIMEOUT_S * 1000),
        "engine_ms": int(DEFAULT_TIMEOUT_S * 1000),
        "in_flight_of_tenant": limits.MAX_IN_FLIGHT,
        "bytes_in_flight_of_tenant": limits.MAX_BYTES_IN_FLIGHT,
        "connections": connections.MAX_CONNECTIONS,
        "connections_of_client": connections.MAX_CONNECTIONS_OF_CLIENT,
    }
