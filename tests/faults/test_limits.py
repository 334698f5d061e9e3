"""Memory that runs short (F26), no more files and no more threads (F27). R5, R9: whoever asks
then is refused or right, and once it is over the gateway serves as before."""

import http.client
import json
import os
import random
import re
import resource
import shutil
import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.history import (
    Asked,
    Clients,
    History,
    check_answers,
    check_log,
    draw,
    put,
)
from tests.faults.running import Project, Running, eventually, over_loopback, start
from tests.faults.tools import need, need_root, need_to_run
from tests.gateway.world import question
from tests.gateway_process import IN_ONE, Reply


@contextmanager
def limit(pid: int, what: int, most: int) -> Generator[None]:
    """A limit of a running process, for the length of the block."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


def memory_of(pid: int) -> int:
    """Bytes of address space that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """One gateway for all of it, so that it also bears one after another."""
    started = start(Project.make(tmp_path_factory.mktemp("limits") / "project"), *IN_ONE)
    yield started
    assert started.stop() == 0


@pytest.fixture
def project(running: Running) -> Project:
    return running.project


def large(number: int) -> Asked:
    """A question of a quarter of a megabyte that must not be permitted."""
    datasets = [f"{number:04d}{one:05d}" + "x" * 240 for one in range(1000)]
    return Asked(question(resource__id="far", context__data__datasets=datasets), "deny")


def check_well(running: Running, project: Project, history: History) -> None:
    """R6: it serves again by itself; and what was answered meanwhile holds, on a copy of what
    is on the disk."""
    chance = random.Random(9)  # noqa: S311
    took = eventually(lambda: put(running, draw(chance)).status == 200, 30, "an answer again")
    assert took < 30
    assert running.process.poll() is None
    history.events += [put(running, draw(chance)) for _ in range(5)]
    for event in history.events[-5:]:
        assert event.decision == event.asked.right
    check_answers(history.events)
    copied = Project(project.folder.parent / f"copy-{running.size}", project.tokens)
    shutil.copytree(project.state, copied.state)
    check_log(copied, history)


def test_with_little_memory_it_refuses_what_does_not_fit_and_lives(
    project: Project, running: Running
) -> None:
    chance = random.Random(1)  # noqa: S311
    history = History([put(running, draw(chance)) for _ in range(5)])
    pid = running.process.pid
    with (
        limit(pid, resource.RLIMIT_AS, memory_of(pid) + 1024 * 1024),
        ThreadPoolExecutor(8) as callers,
    ):
        asked = [one for number in range(24) for one in (large(number), draw(chance))]
        history.events += callers.map(put, [running] * len(asked), asked)
    refused = [event for event in history.events if event.decision != event.asked.right]
    assert refused, "the memory was not short"
    check_well(running, project, history)


def test_without_files_for_connections_those_who_are_in_are_answered(
    project: Project, running: Running
) -> None:
    pid = running.process.pid
    history = History([put(running, draw(random.Random(1)))])  # noqa: S311
    token = project.tokens["own"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    inside = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    inside.connect()
    inside.request("GET", "/livez")
    inside.getresponse().read()
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    first_free = min(set(range(10_000)) - taken)
    with limit(pid, resource.RLIMIT_NOFILE, first_free), ExitStack() as stack:
        stack.callback(inside.close)
        outside = [stack.enter_context(over_loopback(running.port)) for _ in range(5)]
        for number in range(10):
            asked = draw(random.Random(number))  # noqa: S311
            inside.request("POST", "/v1/decisions", json.dumps(asked.question), headers)
            reply = inside.getresponse()
            answer = json.loads(reply.read())
            assert reply.status == 200, answer
            assert answer["decision"] in (asked.right, "indeterminate")
        for one in outside:
            one.settimeout(0.3)
            one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not answered(one), "there were files left"
    check_well(running, project, history)


def answered(connection: object) -> bool:
    try:
        return connection.recv(100).startswith(b"HTTP/1.1 200")  # type: ignore[attr-defined]
    except OSError:
        return False


def traced(pid: int) -> list[bool]:
    """Of each thread, whether somebody traces it."""
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return [re.search(r"^TracerPid:\t0$", status, re.MULTILINE) is None for status in found]


def test_without_threads_nothing_is_permitted_that_should_not_be(
    project: Project, running: Running
) -> None:
    need_root()
    strace = need("strace")
    need_to_run(strace, "-f", "-o", "/dev/null", "true")
    trace = project.folder / "trace"
    calls = "clone,clone3,fork,vfork"
    tracer = subprocess.Popen(
        [strace, "-f", "-qq", "-p", str(running.process.pid), "-o", str(trace),
         "-e", f"trace={calls}", "-e", "signal=none", "-e", f"inject={calls}:error=EAGAIN"],
    )  # fmt: skip
    try:
        eventually(lambda: all(traced(running.process.pid)), 10, "traced")
        with Clients(running, 1) as load:
            load.wait_for(10)
            found = load.history.answered[0].answer
            assert found is not None

            def read(_: int) -> Reply:
                place = f"/v1/decisions/{found['id']}"
                return running.request("GET", place, token=project.tokens["own"])

            with ThreadPoolExecutor(24) as readers:  # each of which the gateway gives a thread
                replies = list(readers.map(read, range(96)))
        history = load.end()
        assert {reply.status for reply in replies} <= {200, 429, 500, 503}
    finally:
        tracer.terminate()
        tracer.wait(10)
    assert "(INJECTED)" in trace.read_text(), "no thread was refused"
    again = running.request("GET", f"/v1/decisions/{found['id']}", token=project.tokens["own"])
    assert again.json["record"] == found["record"]
    check_well(running, project, history)
