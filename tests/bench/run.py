"""`make bench`: one table from one run, on this machine.

Each server is loaded in turn by `hey`, from the same machine, so the load generator
shares the cores with it: ratios mean more than figures. Every number is what `hey`
measured at its end of the connection.

    python tests/bench/run.py [--seconds S] [--hey PATH]
"""

import argparse
import csv
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datetime import UTC, datetime

from gateway import bundle
from gateway.pdp import catalogue
from gateway.pdp.normalise import Normaliser
from gateway.pdp.request import DecisionRequest
from tests.gateway_process import free_port, run_gateway
from tests.opa import run_opa

ROOT = Path(__file__).resolve().parents[2]
QUESTION: dict[str, Any] = {
    "subject": {
        "type": "workload",
        "id": "trainer-7",
        "properties": {
            "sector": "health",
            "entity_class": "out-of-scope",
            "supports_essential_service": False,
            "critical_entity": False,
            "exporter_country": "DE",
        },
    },
    "action": {"name": "place"},
    "resource": {"type": "site", "id": "aws/us-east-1"},
    "context": {
        "data": {"labels": ["health"]},
        "transfer": {"mechanism": "scc-m2", "impact_assessment": "favourable"},
        "ai": {"area": "none"},
    },
}


@dataclass(frozen=True)
class Target:
    """A server under load."""

    name: str
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Result:
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--hey", default=os.environ.get("CHARTER_HEY") or shutil.which("hey"))
    args = parser.parse_args()
    if not args.hey:
        sys.stderr.write("no load generator: run `make bench`, which builds hey\n")
        return 1
    rows: list[tuple[str, int, Result]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for target in _targets(stack, Path(folder)):
            _load(args.hey, target, 32, 1)  # warm up
            for connections in (1, 32):
                rows.append(
                    (target.name, connections, _load(args.hey, target, connections, args.seconds))
                )
    _print(rows, args.seconds)
    return 1 if any(result.failed for _, _, result in rows) else 0


def _targets(stack: ExitStack, folder: Path) -> Generator[Target]:
    """One server after another; each runs until the end, idle while others are loaded."""
    body = json.dumps(QUESTION).encode()
    json_type = {"Content-Type": "application/json"}
    port = stack.enter_context(_echo())
    yield Target("echo of the same server", f"http://127.0.0.1:{port}/", body, json_type)
    for name, arguments in (
        ("charter: Cedar + Rego, signed, durable, proof", ()),
        ("charter: the same, engines asked every time", ("--memo", "0")),
    ):
        state = folder / str(len(arguments))
        gateway = stack.enter_context(run_gateway(state, *arguments))
        answer = gateway.decide(QUESTION)
        assert answer["decision"] == "permit", answer
        headers = {**json_type, "Authorization": f"Bearer {gateway.token}"}
        yield Target(name, f"{gateway.url}/v1/decisions", body, headers)
    made = bundle.build(
        bundle.compile_folder(bundle.PACK), _raw(bundle.PACK / "fixtures" / "sites.toml")
    )
    known = catalogue.load(bundle.PACK / "catalogue" / "sites.toml", made.program)
    joined = Normaliser(made.program, known).join(
        DecisionRequest.read(QUESTION), now=datetime.now(UTC)
    )
    server = stack.enter_context(run_opa(made.opa_tarball()))
    document = json.dumps({"input": joined.question.document()}).encode()
    url = f"http://{server.host}:{server.port}/v1/data/charter/answer"
    yield Target("stock OPA server, same Rego, unsigned", url, document, json_type)


def _raw(path: Path) -> dict[str, dict[str, dict[str, object]]]:
    _, program = bundle.compile_folder(bundle.PACK).require()
    return catalogue.load(path, program).raw_facts()


@contextmanager
def _echo() -> Generator[int]:
    """The gateway's server with a route that gives a body back."""
    port = free_port()
    script = Path(__file__).with_name("echo.py")
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    import socket
    import time

    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the echo server does not answer")


def _load(hey: str, target: Target, connections: int, seconds: int) -> Result:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(target.body)
        file.flush()
        command = [hey, "-z", f"{seconds}s", "-c", str(connections), "-m", "POST", "-o", "csv"]
        command += ["-D", file.name]
        for name, value in target.headers.items():
            command += ["-T", value] if name == "Content-Type" else ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [*command, target.url], capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    times = sorted(float(row["response-time"]) for row in rows)
    failed = sum(row["status-code"] != "200" for row in rows)
    if not times:
        raise RuntimeError(f"{target.name}: nothing was answered")
    last = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    return Result(
        per_second=(len(rows) - failed) / last,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[min(len(times) - 1, len(times) * 99 // 100)] * 1000,
        failed=failed,
    )


def _print(rows: list[tuple[str, int, Result]], seconds: int) -> None:
    echo = {connections: result.per_second for name, connections, result in rows if "echo" in name}
    print(f"{platform.machine()}, {os.cpu_count()} cores shared with the load generator, ", end="")
    print(f"Python {platform.python_version()}, {seconds} s each, one process each\n")
    print(f"| {'server':48} | connections | per second | p50 ms | p99 ms | of echo |")
    print(f"|{'-' * 50}|------------:|-----------:|-------:|-------:|--------:|")
    for name, connections, result in rows:
        share = result.per_second / echo[connections]
        print(
            f"| {name:48} | {connections:11} | {result.per_second:10,.0f} | {result.p50_ms:6.2f} "
            f"| {result.p99_ms:6.2f} | {share:7.0%} |"
        )
        if result.failed:
            print(f"  {result.failed} requests failed")


if __name__ == "__main__":
    sys.exit(main())
