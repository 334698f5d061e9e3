"""Sources that change while the charters stay, at a gateway of two workers."""

import signal
from pathlib import Path

from tests.gateway.sources.parts import LAW
from tests.gateway.sources.test_serve_sources import SITES, write
from tests.gateway.workers.test_processes import all_up, until
from tests.gateway_process import run_gateway

SOURCES = """\
format = "charter-sources/v1"
[[source]]
name = "verifier"
about = "subject/workload"
origin = "verifier"
states = ["checked"]
max_age_s = 86400
[source.file]
path = "workloads.toml"
"""


def test_other_sources_alone_come_into_force_in_every_worker(tmp_path: Path) -> None:
    (tmp_path / "policies" / "catalogue").mkdir(parents=True)
    (tmp_path / "policies" / "law.charter").write_text(LAW)
    (tmp_path / "policies" / "catalogue" / "sites.toml").write_text(SITES)
    write(tmp_path, "true")
    sources = tmp_path / "sources.toml"
    sources.write_text(SOURCES)
    sources.chmod(0o600)
    told = ("--policies", str(tmp_path / "policies"), "--sources", str(sources))
    with run_gateway(tmp_path / "state", *told, "--workers", "2", "--format", "json") as gateway:

        def reloads() -> int:
            return sum('"event": "reloaded"' in line for line in list(gateway.stderr))

        until(lambda: all_up(gateway), "all processes are ready")
        sources.write_text(SOURCES.replace("86400", "43200"))
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: reloads() == 2, "both have loaded again")
