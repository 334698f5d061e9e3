"""Who imports whom: read from the source text, without importing anything."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

DYNAMIC = "a module named at run time"


@dataclass(frozen=True, slots=True)
class Import:
    """One arrow: `importer` and `target` are full module names."""

    importer: str
    target: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: `{self.importer}` imports `{self.target}`"


def modules(root: Path, packages: Iterable[str]) -> dict[str, Path]:
    """Every module of the packages by its full name; a package stands for its `__init__`."""
    found: dict[str, Path] = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path, known: Mapping[str, Path]) -> list[Import]:
    """Every import of every module, also those in functions and for type checkers only."""
    arrows: list[Import] = []
    for module, path in known.items():
        file = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=file)):
            for target in _targets(node, module, path.name == "__init__.py", known):
                arrows.append(Import(module, target, file, getattr(node, "lineno", 0)))
    return arrows


def _targets(
    node: ast.AST, module: str, is_package: bool, known: Mapping[str, Path]
) -> Iterator[str]:
    match node:
        case ast.Import(names):
            yield from (name.name for name in names)
        case ast.ImportFrom(base, names, level):
            start = _absolute(base or "", level or 0, module, is_package)
            for name in names:
                inner = f"{start}.{name.name}"
                yield inner if inner in known else start
        case ast.Call(ast.Name("__import__" | "import_module")):
            yield DYNAMIC
        case ast.Call(ast.Attribute(attr="import_module")):
            yield DYNAMIC
        case _:
            return


def _absolute(base: str, level: int, module: str, is_package: bool) -> str:
    if level == 0:
        return base
    parts = module.split(".")
    kept = parts[: len(parts) - level + (1 if is_package else 0)]
    return ".".join([*kept, base] if base else kept)


def below(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a module is one of those named, or inside one of them."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def reach(start: Iterable[str], arrows: Iterable[Import], known: Mapping[str, Path]) -> set[str]:
    """All modules that are loaded with those of `start`, their parent packages included."""
    edges: dict[str, set[str]] = {}
    for arrow in arrows:
        edges.setdefault(arrow.importer, set()).add(arrow.target)
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module in known and module not in reached:
            reached.add(module)
            waiting += edges.get(module, ())
            waiting.append(module.rpartition(".")[0])
    return reached


def cycle(arrows: Iterable[Import], known: Mapping[str, Path]) -> list[str]:
    """The modules of one import cycle in order, or nothing where there is none."""
    graph: dict[str, set[str]] = {module: set() for module in known}
    for arrow in arrows:
        if arrow.target in known and arrow.target != arrow.importer:
            graph[arrow.importer].add(arrow.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
