"""F30: witnesses are lost, late or lying. The policy decides, and nothing is silently unwitnessed.

Real processes: two witnesses over TLS, a gateway, and `charter verify` as a stranger runs it.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID
from prometheus_client.parser import text_string_to_metric_families

from gateway.keys import CheckpointKey
from gateway.ledger.cosignature import WitnessPublicKey
from tests.gateway.certificates import authority
from tests.gateway.serving import Served, prepare
from tests.gateway.world import question
from tests.gateway_process import CHARTER, free_port, run_gateway

ORIGIN = "ledger.example/test"


@dataclass
class Witness:
    """A witness in a process of its own, on a port that stays."""

    name: str
    folder: Path
    key: WitnessPublicKey
    port: int
    process: "subprocess.Popen[str] | None" = None

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.key.vkey} https://localhost:{self.port}\n"

    def start(self) -> None:
        shared = self.folder.parent
        self.process = subprocess.Popen(
            [*CHARTER, "witness", "serve", "--folder", str(self.folder),
             "--logs", str(shared / "logs"), "--port", str(self.port),
             "--tls-cert", str(shared / "host.pem"), "--tls-key", str(shared / "host.key")],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        assert "listens" in self.process.stderr.readline()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
            self.process = None


@dataclass
class Whole:
    """A gateway with its two witnesses."""

    served: Served
    witnesses: list[Witness]
    folder: Path

    def trust(self, quorum: int) -> Path:
        value = json.loads(self.served.gateway.trust.read_text())
        vkeys = [one.key.vkey for one in self.witnesses]
        value |= {"format": "charter-trust/v2", "witnesses": {"quorum": quorum, "vkeys": vkeys}}
        path = self.folder / f"trust.{quorum}.json"
        path.write_text(json.dumps(value))
        return path

    def verify(self, answer: Any, quorum: int = 2) -> int:
        """The exit code of `charter verify`."""
        path = self.folder / "answer.json"
        path.write_text(json.dumps(answer))
        return self.charter("verify", str(path), "--trust", str(self.trust(quorum)))

    def charter(self, *arguments: str) -> int:
        return subprocess.run([*CHARTER, *arguments], capture_output=True, check=False).returncode

    def ready(self) -> tuple[int, Any]:
        reply = self.served.gateway.request("GET", "/readyz")
        return reply.status, reply.json

    def numbers(self) -> dict[tuple[str, ...], float]:
        text = self.served.gateway.request("GET", "/metrics").body.decode()
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if "witness" in sample.name
        }


@contextmanager
def whole(folder: Path, *arguments: str) -> Generator[Whole]:
    tokens = prepare(folder)
    vkey = CheckpointKey.load(folder / "state" / "checkpoint.key", name=ORIGIN).public.vkey
    (folder / "logs").write_text(f"log {vkey}\n")
    root = authority()
    (folder / "ca.pem").write_bytes(root.pem)
    root.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH).write(folder, "host")
    witnesses: list[Witness] = []
    for name in ("w1", "w2"):
        made = subprocess.run(
            [*CHARTER, "witness", "new-key", "--folder", str(folder / name),
             "--name", f"witness.example/{name}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        key = WitnessPublicKey.from_vkey(made.stdout.strip())
        witnesses.append(Witness(name, folder / name, key, free_port()))
    policy = "".join(one.line for one in witnesses)
    (folder / "policy").write_text(f"log {vkey}\n{policy}group both all w1 w2\nquorum both\n")
    try:
        for one in witnesses:
            one.start()
        settings = (
            "--policies", str(folder / "policies"),
            "--witness-policy", str(folder / "policy"), "--witness-ca", str(folder / "ca.pem"),
            "--witness-networks", "127.0.0.0/8,::1/128", "--witness-ms", "1500",
        )  # fmt: skip
        with run_gateway(folder / "state", *settings, *arguments, token=tokens["own"]) as gateway:
            yield Whole(Served(gateway, folder / "policies", **tokens), witnesses, folder)
    finally:
        for one in witnesses:
            one.kill()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline, "not within 15 s"
        time.sleep(0.1)


def test_f30_required_no_answer_leaves_without_a_quorum(tmp_path: Path) -> None:
    """R1, fail closed: a permit needs the cosignatures that the policy demands. The log is in
    another process than those who answer."""
    with whole(tmp_path, "--witness-mode", "required", "--workers", "2") as made:
        first = made.served.ask(question())
        assert first.status == 200, first.body
        assert made.verify(first.json) == 0
        assert made.ready() == (200, {"status": "ready", "witnessing": "required"})

        made.witnesses[1].kill()
        refused = made.served.ask(question(), Idempotency_Key='"k"')
        assert (refused.status, refused.json["type"].rsplit("/", 1)[1]) == (
            503,
            "ledger-unavailable",
        )
        until(lambda: made.ready()[0] == 503)
        numbers = made.numbers()
        assert numbers["charter_witness_failures_total", "unreachable", "w2"] >= 1
        assert ("charter_witness_failures_total", "unreachable", "w1") not in numbers
        assert numbers["charter_witness_late",] == 1
        assert numbers["charter_witnessing_info", "required"] == 1
        # What was cosigned before is read as ever.
        reply = made.served.gateway.request("GET", f"/v1/decisions/{first.json['id']}")
        assert made.verify(reply.json) == 0

        made.witnesses[1].start()
        until(lambda: made.ready()[0] == 200)
        until(lambda: made.served.ask(question(), Idempotency_Key='"k"').status == 200)
        again = made.served.ask(question(), Idempotency_Key='"k"')
        assert made.verify(again.json) == 0
        assert made.numbers()["charter_witness_late",] == 0


def test_f30_background_says_what_is_not_cosigned_and_catches_up(tmp_path: Path) -> None:
    """The policy says that nobody waits: answers go on, and whoever looks sees how far it is."""
    arguments = ("--witness-mode", "background", "--witness-interval", "1")
    with whole(tmp_path, *arguments) as made:
        made.witnesses[0].kill()
        fresh = made.served.ask(question()).json
        assert made.verify(fresh) == 2, "a fresh answer carries no cosignature"
        assert made.verify(fresh, quorum=0) == 0
        until(lambda: made.ready() == (200, {"status": "ready", "witnessing": "late"}))
        assert made.numbers()["charter_witness_failures_total", "unreachable", "w1"] >= 1
        later = made.served.gateway.request("GET", f"/v1/decisions/{fresh['id']}").json
        assert made.verify(later, quorum=1) == 0, "the cosignature there is goes with the proof"
        assert made.verify(later) == 2

        made.witnesses[0].start()
        until(lambda: made.numbers()["charter_witnessed_entries",] == made.served.size)
        assert made.ready() == (200, {"status": "ready", "witnessing": "background"})
        later = made.served.gateway.request("GET", f"/v1/decisions/{fresh['id']}").json
        assert made.verify(later) == 0
        check_pack(made, later)


def check_pack(made: Whole, answer: Any) -> None:
    """The cosigned checkpoint and a cosigned proof, as one file of evidence."""
    checkpoint = made.served.gateway.request("GET", "/checkpoint/witnessed", token="")
    assert checkpoint.status == 200
    (made.folder / "checkpoint").write_bytes(checkpoint.body)
    (made.folder / "later.json").write_text(json.dumps(answer))
    bundle = str(made.folder / "evidence.zip")
    packed = made.charter(
        "pack", str(made.folder / "later.json"), "--output", bundle,
        "--checkpoint", str(made.folder / "checkpoint"),
    )  # fmt: skip
    assert packed == 0
    assert made.charter("verify", "--bundle", bundle, "--trust", str(made.trust(2))) == 0


def test_f15_background_an_old_copy_does_not_start_behind_what_witnesses_cosigned(
    tmp_path: Path,
) -> None:
    """R4: nothing but the witnesses knows that there was more."""
    old = tmp_path / "old"
    with whole(tmp_path, "--witness-mode", "background", "--witness-interval", "1") as made:
        shutil.copytree(tmp_path / "state", old, ignore=shutil.ignore_patterns("*.sock"))
        (old / "ledger" / "witnessed.note").unlink(missing_ok=True)
        size = made.served.ask(question()).json["proof"].partition("\n\n")[2].split("\n")[1]
        cosigned = lambda: made.served.gateway.request("GET", "/checkpoint/witnessed")  # noqa: E731
        until(lambda: cosigned().body.decode().split("\n")[1:2] == [size])
        started = subprocess.run(
            [*CHARTER, "serve", "--state", str(old), "--port", "0",
             "--policies", str(tmp_path / "policies"), "--witness-mode", "background",
             "--witness-policy", str(tmp_path / "policy"),
             "--witness-ca", str(tmp_path / "ca.pem"),
             "--witness-networks", "127.0.0.0/8,::1/128", "--witness-ms", "1500"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert started.returncode == 1, started.stderr
    assert f"shows that {size} were signed: an older copy was put back" in started.stderr
