"""Where may this run, of ten thousand sites?

The catalogue repeats the facts of the pack's sites, and of every second site varies who
may reach the data and whether the entry in the privacy framework covers it, so that sites
differ as the rules see them.
"""

import http.client
import json
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.servers import Law, authorised, start
from tests.bench.target import cpu_s
from tests.gateway_process import GatewayProcess

SITES = 10_000
_HEAD = 'format = "charter-catalogue/v1"\ntitle = "Many sites"\nas_of = 2026-11-22\n'
_ROW = (
    '\n[[site]]\nid = "bench/{number}"\nvalid_from = 2026-01-01\nsource = "made up"\n[site.facts]\n'
)
_VARIED: tuple[list[str], ...] = ([], ["DE"], ["US"], ["IN", "US"], ["FR", "PL"], ["JP"], ["GB"])


@dataclass(frozen=True)
class Searched:
    """What a search took in milliseconds, of time and of processor; how many sites it told as
    found, and how many as refused."""

    name: str
    ms: float
    cpu_ms: float
    found: int
    refused: int


def write_catalogue(folder: Path, law: Law, sites: int) -> Path:
    """So many sites, in a file."""
    read = tomllib.loads((law.folder / "catalogue" / "sites.toml").read_text(encoding="utf-8"))
    known: list[dict[str, Any]] = [row["facts"] for row in read["site"]]
    path = folder / "many-sites.toml"
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        for number in range(sites):
            facts = known[number % len(known)]
            if number % 2:
                turn = number // len(known)
                facts = facts | {"support_countries": _VARIED[turn % len(_VARIED)]}
            file.write(_ROW.format(number=number))
            # JSON is TOML where it is text, a number, a truth or a list of these.
            file.writelines(f"{name} = {json.dumps(value)}\n" for name, value in facts.items())
    return path


def serving(stack: ExitStack, folder: Path, law: Law, sites: int = SITES) -> GatewayProcess:
    """A gateway with so many sites, which nobody has asked yet."""
    listed = write_catalogue(folder, law, sites)
    return start(stack, folder / "state-search", law, "--catalogue", str(listed))


def measure(running: GatewayProcess, law: Law) -> Iterator[Searched]:
    """Searches by one gateway, one after another. The second question is one that some
    sites refuse."""
    url, headers = f"{running.url}/access/v1/search/resource", authorised(running)
    asked = {**law.question, "resource": {"type": "site"}}
    other = {**law.refused, "resource": {"type": "site"}}
    reasons = {"page": {"properties": {"refused": True}}}
    questions = (
        ("first search of a gateway", asked),
        ("the same again", asked),
        ("another question", other),
        ("with a reason for each that is refused", other | reasons),
        ("a page of 100", other | {"page": {"limit": 100}}),
    )
    for name, question in questions:
        yield _search(url, headers, running.process.pid, name, question)


def _search(
    url: str, headers: dict[str, str], pid: int, name: str, asked: dict[str, Any]
) -> Searched:
    place = urlsplit(url)
    before = cpu_s(pid)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    try:
        begin = time.perf_counter()
        connection.request("POST", place.path, json.dumps(asked), headers)
        response = connection.getresponse()
        said = response.read()
        took = (time.perf_counter() - begin) * 1000
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"search, {name}: {response.status} {said[:300]!r}")
    answer = json.loads(said)
    spent = (cpu_s(pid) - before) * 1000
    return Searched(
        name, took, spent, len(answer["results"]), len(answer["context"].get("refused", []))
    )
