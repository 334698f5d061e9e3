"""The files of docs/deploy: they name what exists, give no more rights than are needed, and
say nothing of where images come from."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli.serve import GRACE_S
from gateway.cli.settings import read_file
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
    installs += re.findall(r"python install [^&]*", CONTAINER.replace("\\\n", " "))
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    assert all("--no-cache-dir" in one for one in installs)
    for path in re.findall(r"\.ci/[\w.-]+", CONTAINER):
        assert (ROOT / path).is_file()


def test_the_container_runs_serve_and_is_stopped_in_order() -> None:
    assert last("ENTRYPOINT") == '["/opt/charter/bin/charter"]'
    assert last("CMD").startswith('["serve"')
    assert last("STOPSIGNAL") == "SIGTERM"


def test_no_ledger_goes_with_its_container() -> None:
    """A volume without a name is removed with the container that it was made for."""
    assert [rest for word, rest in INSTRUCTIONS if word == "VOLUME"] == []


def test_of_the_repository_it_copies_what_a_wheel_is_made_of_and_nothing_else() -> None:
    copied = [
        path
        for word, rest in INSTRUCTIONS
        if word == "COPY" and "--from" not in rest
        for path in rest.split()[:-1]
    ]
    assert "." not in copied
    assert {"dsl", "gateway", "conformance", "policies", "pyproject.toml"} < set(copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert [path for path in copied if path.startswith(("tests", ".tools", ".venv"))] == []


def test_what_pip_is_told_stays_in_no_layer() -> None:
    given = [rest for word, rest in INSTRUCTIONS if word in {"ARG", "ENV", "COPY"}]
    assert [rest for rest in given if re.search(r"pip|index|ssl|proxy", rest.lower())] == []
    assert [rest for word, rest in INSTRUCTIONS if word == "ARG"] == ["BASE"]


def test_the_settings_of_the_container_are_settings_and_need_what_it_mounts() -> None:
    found = dict(read_file(DEPLOY / "container.toml"))
    assert found["listen.host"] == "0.0.0.0"  # noqa: S104
    assert found["listen.tls_key"] == str(DEPLOY / "tls/tls.key")
    assert str(found["log.seen_file"]).startswith("/var/lib/charter-seen/")
    assert "state.folder" not in found  # the variable of the image would win
    assert "CHARTER_STATE=/var/lib/charter/state" in last("ENV")


def test_the_service_says_what_is_wrong_with_its_settings_before_it_starts() -> None:
    before = service()["ExecStartPre"]
    assert "charter config --config /etc/charter/charter.toml" in before
    assert ">/dev/null" in before  # a hundred lines at each start


def test_systemd_finds_the_service_hardly_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")

    def exposed(text: str) -> float:
        unit = tmp_path / "charter.service"
        unit.write_text(text)
        ran = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", str(unit)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        found = re.search(r"exposure level for charter.service: ([0-9.]+)", ran.stdout)
        if found is None:
            pytest.skip(f"this systemd-analyze judges no file: {ran.stderr}")
        return float(found[1])

    assert exposed(UNIT) <= 1.3  # of 10
    assert exposed(UNIT.replace("PrivateUsers=yes\n", "")) > 1.3


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
    assert service()["KillMode"] == "mixed"  # engines are needed for what is in flight


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
