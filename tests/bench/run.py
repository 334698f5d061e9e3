"""`make bench`: one table from one run, on this machine.

Each server is loaded by `hey`, from the same machine, so the load generator shares the
cores with it: ratios mean more than figures. All servers are loaded in turn, several
times over, and of each the best round counts: what else the machine does then falls on
all of them. The rates and times are what `hey` measured at its end of the connection; the
time of the processor is what the system counted for the server's processes.

    python tests/bench/run.py [--seconds S] [--rounds N] [--only WORDS] [--hey PATH]
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
from collections.abc import Generator, Sequence
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
from tests.bench import generated
from tests.gateway_process import free_port, run_gateway
from tests.opa import run_opa

JSON_TYPE = {"Content-Type": "application/json"}
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


TWO = ("--workers", "2")  # and a third that holds the log
NEW = ("--memo", "0")  # every question is new to the memo, for there is none


@dataclass(frozen=True)
class Target:
    """A server under load, with its process."""

    name: str
    url: str
    body: bytes
    headers: dict[str, str]
    pid: int


@dataclass(frozen=True)
class Result:
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failed: int


Rows = dict[tuple[str, int], Result]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=2, help="of one round of one server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="servers whose name has this in it, and echo")
    parser.add_argument("--hey", default=os.environ.get("CHARTER_HEY") or shutil.which("hey"))
    args = parser.parse_args()
    if not args.hey:
        sys.stderr.write("no load generator: run `make bench`, which builds hey\n")
        return 1
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        targets = list(_targets(stack, Path(folder), args.only))
        for target in targets:
            _load(args.hey, target, 32, 2)  # warm up
        for _ in range(args.rounds):
            for connections in (1, 32):
                for target in targets:
                    found = _load(args.hey, target, connections, args.seconds)
                    _keep(rows, (target.name, connections), found)
    _print(rows, args.seconds, args.rounds)
    return 1 if any(result.failed for result in rows.values()) else 0


def _keep(rows: Rows, key: tuple[str, int], found: Result) -> None:
    """The best of each column, and every failure."""
    known = rows.get(key, found)
    rows[key] = Result(
        max(known.per_second, found.per_second),
        min(known.p50_ms, found.p50_ms),
        min(known.p99_ms, found.p99_ms),
        min(known.cpu_us, found.cpu_us),
        max(known.failed, found.failed),
    )


def _targets(stack: ExitStack, folder: Path, only: str) -> Generator[Target]:
    """The servers; all run until the end, idle while others are loaded."""
    port, pid = stack.enter_context(_echo())
    body = json.dumps(QUESTION).encode()
    yield Target("echo of the same server", f"http://127.0.0.1:{port}/", body, JSON_TYPE, pid)
    served = [
        ("pack, asked before", QUESTION, ()),
        ("pack, asked before, two processes", QUESTION, TWO),
        ("pack, new each time", QUESTION, NEW),
        ("pack, new each time, two processes", QUESTION, (*TWO, *NEW)),
    ]
    for rules in (60, 600):
        policies = ("--policies", str(generated.write_charters(folder / str(rules), rules)))
        asked = generated.QUESTION
        served += [
            (f"{rules} rules, asked before", asked, policies),
            (f"{rules} rules, new each time", asked, (*policies, *NEW)),
        ]
    for number, (name, question, arguments) in enumerate(served):
        if only in name:
            state = folder / f"state-{number}"
            yield from _gateway(stack, f"charter: {name}", state, question, arguments)
    if only in "stock OPA server":
        yield _opa(stack)


def _gateway(
    stack: ExitStack, name: str, state: Path, question: dict[str, Any], arguments: Sequence[str]
) -> Generator[Target]:
    """A gateway with both engines; its answers are signed, durable and proven. None, and a
    line that says so, where the engines do not answer in time."""
    gateway = stack.enter_context(run_gateway(state, *arguments))
    answer = gateway.decide(question)
    if answer["incident"] is not None:
        print(f"{name}: not loaded, {answer['incident']['description']}\n")
        return
    assert answer["decision"] == "permit", answer
    headers = {**JSON_TYPE, "Authorization": f"Bearer {gateway.token}"}
    url, body = f"{gateway.url}/v1/decisions", json.dumps(question).encode()
    yield Target(name, url, body, headers, gateway.process.pid)


def _opa(stack: ExitStack) -> Target:
    """A stock server with the Rego of the pack, and the facts that the gateway gives it."""
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
    return Target("stock OPA server, same Rego, unsigned", url, document, JSON_TYPE, server.pid)


def _raw(path: Path) -> dict[str, dict[str, dict[str, object]]]:
    _, program = bundle.compile_folder(bundle.PACK).require()
    return catalogue.load(path, program).raw_facts()


@contextmanager
def _echo() -> Generator[tuple[int, int]]:
    """The gateway's server with a route that gives a body back."""
    port = free_port()
    script = Path(__file__).with_name("echo.py")
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    try:
        _wait(port)
        yield port, process.pid
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
        before = _cpu_s(target.pid)
        done = subprocess.run(
            [*command, target.url], capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    spent = _cpu_s(target.pid) - before
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
        cpu_us=spent / len(rows) * 1_000_000,
        failed=failed,
    )


def _cpu_s(pid: int) -> float:
    """Seconds of processor that a process and those it started have had, of all their
    threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return own + sum(_cpu_s(int(child)) for child in started)


def _print(rows: Rows, seconds: int, rounds: int) -> None:
    echo = {c: result.per_second for (name, c), result in rows.items() if "echo" in name}
    print(f"{platform.machine()}, {os.cpu_count()} cores shared with the load generator, ", end="")
    print(f"Python {platform.python_version()}, best of {rounds} x {seconds} s\n")
    print("| server | connections | per second | p50 ms | p99 ms | CPU us each | of echo |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for (name, connections), result in sorted(rows.items(), key=lambda row: row[0][1]):
        print(
            f"| {name} | {connections} | {result.per_second:,.0f} | {result.p50_ms:.2f} "
            f"| {result.p99_ms:.2f} | {result.cpu_us:,.0f} "
            f"| {result.per_second / echo[connections]:.0%} |"
        )
        if result.failed:
            print(f"  {result.failed} requests failed")


if __name__ == "__main__":
    sys.exit(main())
