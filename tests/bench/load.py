"""Load: as many connections as are told, each asking again once it is answered (hey)."""

import csv
import io
import subprocess
import tempfile
from dataclasses import dataclass

from tests.bench.target import Target, cpu_s, resident_mb


@dataclass(frozen=True)
class Result:
    """Times in milliseconds, processor in microseconds a decision, memory in MB of each
    process. `failed` counts answers that were none."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    resident_mb: tuple[int, ...]
    failed: int

    def better(self, other: "Result") -> "Result":
        """The best of each column of two rounds, and every failure."""
        return Result(
            max(self.per_second, other.per_second),
            min(self.p50_ms, other.p50_ms),
            min(self.p99_ms, other.p99_ms),
            min(self.cpu_us, other.cpu_us),
            max(self.resident_mb, other.resident_mb),
            self.failed + other.failed,
        )


def closed(hey: str, target: Target, connections: int, seconds: float) -> Result:
    """Load one server with `hey`.

    Raises:
        RuntimeError: Nothing was answered.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(target.body)
        file.flush()
        command = [hey, "-z", f"{seconds:g}s", "-c", str(connections), "-m", "POST", "-o", "csv"]
        command += ["-D", file.name]
        for name, value in target.headers.items():
            command += ["-T", value] if name == "Content-Type" else ["-H", f"{name}: {value}"]
        before = cpu_s(target.pid)
        done = subprocess.run(
            [*command, target.url], capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    spent = cpu_s(target.pid) - before
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    if not rows:
        raise RuntimeError(f"{target.name}: nothing was answered")
    failed = sum(row["status-code"] != "200" for row in rows)
    last = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    return Result(
        (len(rows) - failed) * target.decisions / last,
        *percentiles([float(row["response-time"]) * 1000 for row in rows]),
        spent / (len(rows) * target.decisions) * 1_000_000,
        resident_mb(target.pid),
        failed,
    )


def percentiles(times: list[float]) -> tuple[float, float]:
    """The 50th and the 99th, of at least one."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
