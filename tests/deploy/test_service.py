"""The unit of docs/deploy, run by a systemd of its own in a Debian of its own: `systemd-nspawn`
starts it, and `make image` makes the Debian. Without that it is skipped."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.deploy.container import image, podman
from tests.project import ROOT

SCRIPT = "in_systemd.sh"
UNIT = """\
[Unit]
After=charter.service
[Service]
ExecStart=/root/in_systemd.sh
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the script found out, by its headings."""
    base = os.environ.get("CHARTER_SYSTEMD_BASE", "")
    if not base or not Path(base).is_file():
        pytest.skip("`make image` makes a Debian with systemd")
    if shutil.which("systemd-nspawn") is None or os.geteuid() != 0:
        pytest.skip("it takes systemd-nspawn, and root")
    root = tmp_path_factory.mktemp("debian")
    with tarfile.open(base) as archive:
        archive.extractall(root, filter="fully_trusted")  # noqa: S202 - made here
    _install(root)
    # By itself it would be a service of the systemd of this machine, which need not have one.
    run = ("systemd-nspawn", "--quiet", "--private-network", "--register=no", "--keep-unit")
    ran = subprocess.run(
        [*run, "--directory", root, "--boot"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    said = root / "root" / "found"
    assert said.exists(), ran.stdout[-2000:] + ran.stderr[-2000:]
    parts = said.read_text().split("# ")[1:]
    return {part.partition("\n")[0]: part.splitlines()[1:] for part in parts}


def _install(root: Path) -> None:
    name = podman("create", image()).stdout.strip()
    try:
        assert podman("cp", f"{name}:/opt/charter", f"{root}/opt/").returncode == 0
    finally:
        podman("rm", name)
    units = root / "etc" / "systemd" / "system"
    wanted = units / "multi-user.target.wants"
    for folder in (wanted, root / "etc" / "charter"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "docs" / "deploy" / "charter.service", units)
    shutil.copy(ROOT / "docs" / "deploy" / "charter.toml", root / "etc" / "charter")
    shutil.copy(ROOT / "docs" / "examples" / "virginia.json", root / "root" / "question.json")
    shutil.copy(Path(__file__).with_name(SCRIPT), root / "root" / SCRIPT)
    (units / "found.service").write_text(UNIT)
    for unit in ("charter.service", "found.service"):
        (wanted / unit).symlink_to(f"/etc/systemd/system/{unit}")


def test_it_runs_to_its_end(found: dict[str, list[str]]) -> None:
    assert "end" in found
    assert not any("never ready" in line for lines in found.values() for line in lines)


def test_it_has_no_right_that_it_does_not_need(found: dict[str, list[str]]) -> None:
    rows = dict(line.split(":\t") for line in found["of the process"])
    none = "0" * 16
    assert rows == {"CapPrm": none, "CapBnd": none, "NoNewPrivs": "1", "Seccomp": "2"}


def test_it_decides_with_a_token_that_root_made_also_after_a_restart(
    found: dict[str, list[str]],
) -> None:
    decision, verified = found["token of root"]
    assert decision.startswith("decision permit ")
    assert verified.startswith("OK: decision ")
    assert found["started again"][0].startswith("decision permit ")
    assert found["of root"] == []


def test_other_commands_run_as_its_user(found: dict[str, list[str]]) -> None:
    assert found["ledger"][0].startswith("OK: ")


def test_it_is_started_again_after_it_was_killed_and_not_after_it_was_stopped(
    found: dict[str, list[str]],
) -> None:
    assert found["killed"] == ["1"]
    assert sorted(found["stopped"]) == ["ExecMainStatus=0", "Result=success"]


def test_whichever_of_its_processes_ends_the_first_starts_it_again_and_systemd_does_not(
    found: dict[str, list[str]],
) -> None:
    first, *restarts = found["each of its processes killed"]
    assert first == "processes 2"
    assert restarts == ["decision permit"] * 2 + ["restarts 0"]


def test_its_journal_has_no_errors_of_its_own_and_none_of_the_settings(
    found: dict[str, list[str]],
) -> None:
    journal = found["journal"]
    assert [line for line in journal if '"level": "error"' in line] == []
    assert [line for line in journal if line.startswith("#")] == []
    assert sum('"event": "listening"' in line for line in journal) >= 1


def test_wrong_settings_do_not_start_it(found: dict[str, list[str]]) -> None:
    lines = found["wrong settings"]
    assert "started" not in lines
    assert any("there is no setting `listen.prot`" in line for line in lines)
