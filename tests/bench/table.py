"""What `make bench` prints: Markdown, for a page."""

from collections.abc import Iterable, Mapping, Sequence

from tests.bench.load import Result
from tests.bench.many_sites import Searched
from tests.bench.target import Target

ECHO = "echo"
_COLUMNS = (
    "server", "connections", "decisions/s", "p50 ms", "p99 ms", "CPU us each",
    "resident MB", "of echo", "of OPA",
)  # fmt: skip

Rows = Mapping[tuple[Target, int], Result]


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    marks = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, marks, *lines)) + "\n"


def loaded(rows: Rows) -> str:
    """Servers under load from so many connections, by connections."""
    ordered = sorted(rows.items(), key=lambda row: row[0][1])
    lines = [
        (
            _name(target, result),
            str(connections),
            f"{result.per_second:,.0f}",
            f"{result.p50_ms:.2f}",
            f"{result.p99_ms:.2f}",
            f"{result.cpu_us:,.0f}",
            memory(result.resident_mb),
            _share(result, _rate(rows, connections, ECHO)),
            _share(result, _rate(rows, connections, target.peer)),
        )
        for (target, connections), result in ordered
    ]
    return table(_COLUMNS, lines)


def arrived(rows: Mapping[Target, Result], per_second: float) -> str:
    """Servers at which questions arrive at a rate."""
    (echo,) = [result for target, result in rows.items() if target.name.startswith(ECHO)]
    columns = ("server", f"answered/s of {per_second:g}", "p50 ms", "p99 ms", "p99 to the echo's")
    lines = [
        (
            _name(target, result),
            f"{result.per_second:,.0f}",
            f"{result.p50_ms:.2f}",
            f"{result.p99_ms:.2f}",
            f"{result.p99_ms / echo.p99_ms:.1f}",
        )
        for target, result in rows.items()
    ]
    return table(columns, lines)


def searched(found: Iterable[Searched]) -> str:
    lines = [
        (one.name, f"{one.ms:,.0f}", f"{one.cpu_ms:,.0f}", f"{one.found:,}", f"{one.refused:,}")
        for one in found
    ]
    return table(("search", "ms", "CPU ms", "found", "refused and told why"), lines)


def memory(sizes: Sequence[int]) -> str:
    return " + ".join(str(size) for size in sizes)


def _name(target: Target, result: Result) -> str:
    return target.name + (f" ({result.failed} failed)" if result.failed else "")


def _rate(rows: Rows, connections: int, name: str | None) -> float | None:
    for (target, at), result in rows.items():
        if name is not None and at == connections and target.name.startswith(name):
            return result.per_second
    return None


def _share(result: Result, of: float | None) -> str:
    if of is None:
        return ""
    share = result.per_second / of
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"
