"""No network (F22) and a thin line (F25). R5, R6, R9: what needs nothing from outside goes on,
what does is refused, and a slow line makes answers late, not wrong."""

import base64
import ctypes
import json
import os
import random
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.faults.history import Clients, History, check_answers, check_log, draw, put
from tests.faults.running import ANSWER_S, Connect, Project, Running, eventually, start
from tests.faults.tools import need, need_root, need_to_run

_NEW_NET = 0x40000000  # CLONE_NEWNET of sched.h
ALONE = ("unshare", "-n", "sh", "-c", 'ip link set lo mtu 1500 up && exec "$@"', "sh")
CALLERS = """\
format = "charter-callers/v1"

[[issuer]]
issuer = "https://login.example"
audience = "charter"
keys_url = "https://192.0.2.1/keys"
[[issuer.grant]]
when = [{ claim = ["sub"], is = "someone" }]
tenants = ["clinic-a"]
roles = ["scheduler"]
"""
# Of that issuer, by a key that nobody can look up.
JWT = b".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
    for part in (
        {"alg": "ES256", "kid": "x", "typ": "JWT"},
        {"iss": "https://login.example", "aud": "charter", "sub": "someone", "exp": 9999999999,
         "nbf": 0},
        {},
    )
).decode()  # fmt: skip


def need_networks() -> None:
    need_root()
    need("ip")
    need_to_run(need("unshare"), "-n", "true")


def inside(pid: int) -> Connect:
    """Connects over the loopback of the network in which a process lives."""

    def connect(port: int) -> socket.socket:
        made: list[socket.socket | OSError] = []

        def enter() -> None:
            # A network belongs to a thread; a socket stays in the one where it was made.
            libc = ctypes.CDLL(None, use_errno=True)
            network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if libc.setns(network, _NEW_NET) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
                made.append(socket.create_connection(("127.0.0.1", port), ANSWER_S))
            except OSError as error:
                made.append(error)
            finally:
                os.close(network)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    return connect


def start_alone(project: Project, *arguments: str) -> Running:
    need_networks()
    running = start(project, *arguments, before=ALONE)
    pid = running.process.pid
    networks = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in networks] == ["lo"], "there is a network"
    running.connect = inside(pid)
    return running


def test_without_a_network_what_needs_none_goes_on_and_the_rest_is_refused(
    project: Project,
) -> None:
    callers = project.folder / "callers.toml"
    callers.write_text(CALLERS)
    callers.chmod(0o600)
    running = start_alone(project, "--callers", str(callers))
    try:
        with Clients(running, 1) as load:
            load.wait_for(20)
        history = load.end()
        assert set(history.statuses()) == {200}
        began = time.monotonic()
        reply = running.request("POST", "/v1/decisions", b"{}", token=JWT)
        assert reply.status == 503, reply.body
        assert reply.json["type"].endswith("/callers-unavailable")
        assert time.monotonic() - began < 10
        assert put(running, draw(random.Random(1))).status == 200  # noqa: S311
    finally:
        running.stop()
    check_answers(history.events)
    check_log(project, history)


def shape(pid: int, *words: str) -> None:
    command = ("nsenter", "-t", str(pid), "-n", need("tc"), "qdisc", *words)
    subprocess.run(command, check=True, capture_output=True)


def test_on_a_thin_line_answers_are_late_and_right(project: Project) -> None:
    need("tc")
    running = start_alone(project)
    pid = running.process.pid
    try:
        line = ("rate", "128kbit", "burst", "2kb", "latency", "2000ms")
        need_to_run("nsenter", "-t", str(pid), "-n", need("tc"), "qdisc", "show")
        shape(pid, "add", "dev", "lo", "root", "tbf", *line)
        with Clients(running, 1, count=3) as load:
            load.wait_for(6, within_s=30)
        history = load.end()
        sizes = sum(len(str(event.answer)) for event in history.answered)
        took = max(e.ended for e in history.events) - min(e.sent for e in history.events)
        assert took > sizes * 8 / 128_000 / 2, "the line is not thin"
        shape(pid, "del", "dev", "lo", "root")
        chance = random.Random(2)  # noqa: S311
        history += History([put(running, draw(chance)) for _ in range(5)])
        assert all(event.ended - event.sent < 2 for event in history.events[-5:])
        eventually(lambda: running.ready()[0] == 200, 10, "ready")
    finally:
        running.stop()
    assert set(history.statuses()) <= {200, 0, 429, 503}
    check_answers(history.events, within_s=ANSWER_S)
    check_log(project, history)
