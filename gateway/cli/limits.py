"""The limits that hold for a gateway as it is started, of those that an operator may set."""

from argparse import ArgumentParser, Namespace
from typing import cast

from gateway.cli import options

IN_FLIGHT_OF_TENANT = 64
DECISION_MS = 2_000


def add_limits(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--in-flight-of-tenant",
        type=options.in_flight,
        default=IN_FLIGHT_OF_TENANT,
        metavar="N",
        help=f"questions of one tenant open at once (default: {IN_FLIGHT_OF_TENANT})",
    )
    parser.add_argument(
        "--decision-ms",
        type=options.decision_ms,
        default=DECISION_MS,
        metavar="MS",
        help="milliseconds from the arrival of a question to its answer, beyond which it is "
        f"refused (default: {DECISION_MS})",
    )


def limits_of(args: Namespace, connections: int) -> dict[str, int]:
    """What is told of them, by the names of `gateway.web.stated`.

    Args:
        connections: As many as the system has files for.
    """
    from gateway.pdp.combine import DEFAULT_TIMEOUT_S

    timeouts = cast("list[str]", args.engine_timeouts)
    given = {name: int(ms) for name, _, ms in (one.partition("=") for one in timeouts)}
    default = int(DEFAULT_TIMEOUT_S * 1000)
    slowest = max(given.get(name, default) for name in args.engines or ("cedar", "rego"))
    return {
        "connections": connections,
        "connections_of_client": args.connections_of_client,
        "in_flight_of_tenant": args.in_flight_of_tenant,
        "decision_ms": args.decision_ms,
        "engine_ms": slowest,
    }
