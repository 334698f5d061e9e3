"""The files of docs/deploy: they name what exists, give no more rights than are needed, and
say nothing of where images come from."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli.serve import GRACE_S
from tests.project import ROOT

DEPLOY = ROOT / "docs" / "deploy"
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "charter.service").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in CONTAINER.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def service() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    parser.read_string(UNIT)
    return dict(parser["Service"])


def last(name: str) -> str:
    return [rest for word, rest in INSTRUCTIONS if word == name][-1]


def test_the_image_it_builds_on_is_an_argument() -> None:
    assert [rest for word, rest in INSTRUCTIONS if word == "FROM"] == [
        "${BASE} AS build", "${BASE}",
    ]  # fmt: skip
    assert ["ARG", "BASE"] in INSTRUCTIONS
    assert not re.search(r"\b[\w-]+\.(io|com|org|net|dev)\b", CONTAINER)


def test_the_container_is_not_root_and_what_it_installs_is_pinned() -> None:
    user = last("USER")
    assert re.fullmatch(r"[1-9][0-9]{3,}:[1-9][0-9]{3,}", user)
    assert [word for word, _ in INSTRUCTIONS][-6:].count("USER") == 1
    installs = re.findall(r"pip install [^&]*", CONTAINER.replace("\\\n", " "))
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    for path in re.findall(r"\.ci/[\w.-]+", CONTAINER):
        assert (ROOT / path).is_file()


def test_the_container_runs_serve_and_is_stopped_in_order() -> None:
    assert last("ENTRYPOINT") == '["/opt/charter/bin/charter"]'
    assert last("CMD").startswith('["serve"')
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "secret" not in CONTAINER.lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoNewPrivileges", "yes"), ("DynamicUser", "yes"), ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"), ("PrivateTmp", "yes"), ("PrivateDevices", "yes"),
        ("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""), ("UMask", "0077"),
        ("RestrictNamespaces", "yes"), ("RestrictSUIDSGID", "yes"),
        ("StateDirectory", "charter charter-seen"),
        ("StateDirectoryMode", "0700"), ("SystemCallArchitectures", "native"),
        ("ProtectKernelTunables", "yes"), ("ProtectControlGroups", "yes"),
    ],
)  # fmt: skip
def test_the_service_has_no_more_rights_than_it_needs(name: str, value: str) -> None:
    assert service()[name] == value


def test_the_service_has_time_to_answer_what_is_in_flight() -> None:
    assert int(service()["TimeoutStopSec"]) > GRACE_S
    assert service()["KillSignal"] == "SIGTERM"


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    # The program is not installed where the unit expects it.
    text = UNIT.replace("/opt/charter/bin/charter", "/bin/true")
    (tmp_path / "charter.service").write_text(text)
    ran = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "charter.service")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    own = [line for line in ran.stderr.splitlines() if "charter.service" in line]
    assert own == []
    broken = tmp_path / "broken.service"
    broken.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=perhaps"))
    ran = subprocess.run(
        [analyze, "verify", "--man=no", str(broken)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "perhaps" in ran.stderr
