"""The wheel as a stranger gets it, and the pins it is built from."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project import ROOT, development_requirements, project_files, runtime_requirements

PACKAGES = ("dsl", "gateway", "conformance", "policies")
LOCKS = (".ci/requirements.txt", ".ci/requirements-dev.txt")
BUILD = ".ci/requirements-build.txt"
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9a-z.]*) \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
NOTE = re.compile(r" +#.*")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run with no index, so that only what is already here can be used."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    run(*build, "--directory", target, cwd=ROOT)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, file: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))
        return archive.read(name).decode()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_the_wheel(package: str, content: set[str]) -> None:
    files = project_files(package)
    assert files != []
    assert [file for file in files if file not in content] == []


def test_the_wheel_holds_nothing_else(content: set[str]) -> None:
    files = set(project_files(*PACKAGES))
    others = {name for name in content if ".dist-info/" not in name and name not in files}
    assert others == {"gateway/web/problems.md"}


def test_the_pages_of_problems_are_those_of_the_docs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        page = archive.read("gateway/web/problems.md")
    assert page == (ROOT / "docs" / "problems.md").read_bytes()


@pytest.mark.parametrize("package", ["dsl", "gateway", "conformance"])
def test_the_types_are_for_everybody(package: str, content: set[str]) -> None:
    assert f"{package}/py.typed" in content


def test_the_licence_is_in_the_wheel(wheel: Path) -> None:
    assert Parser().parsestr(metadata(wheel, "METADATA"))["License-Expression"] == "Apache-2.0"
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_wheel_installs_the_command(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run(*install, "--no-deps", wheel, cwd=elsewhere)
    # The libraries of this run, and of them only those: a .pth file in a folder that is
    # itself named by a .pth file is not read, so the checkout does not come along.
    site = sysconfig.get_path("purelib", vars={"base": str(environment)})
    Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")

    where = run(python, "-c", "import gateway; print(gateway.__file__)", cwd=elsewhere)
    assert where.stdout.startswith(str(environment))
    charter = environment / "bin" / "charter"
    shown = run(charter, "--help", cwd=elsewhere)
    assert "usage: charter" in shown.stdout
    assert shown.stderr == ""
    # The charters that come with it are found and compile.
    assert run(charter, "check", cwd=elsewhere).stdout.startswith("OK: ")


def pins(lock: str) -> dict[str, str]:
    """Name and version of every pin; what is no pin, hash or note fails."""
    found: dict[str, str] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if pin := PIN.fullmatch(line):
            found[pin["name"]] = pin["version"]
        else:
            assert HASH.fullmatch(line) or NOTE.fullmatch(line), f"{lock}: {line}"
    return found


def unmet(requirements: Iterable[Requirement], pinned: dict[str, str]) -> list[str]:
    return [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_pins_and_hashes_and_no_address(lock: str) -> None:
    assert len(pins(lock)) > 20
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")


def test_the_locks_meet_what_the_project_asks_for() -> None:
    runtime, everything = (pins(lock) for lock in LOCKS)
    assert unmet(runtime_requirements(), runtime) == []
    assert unmet([*runtime_requirements(), *development_requirements()], everything) == []
    assert runtime.items() <= everything.items()


def test_the_build_backend_is_pinned_too() -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    (backend,) = (Requirement(line) for line in system["requires"])
    assert backend.specifier == f"=={pins(LOCKS[1])[backend.name]}"


def test_what_makes_a_wheel_has_a_lock_of_its_own_which_says_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]
    build = pins(BUILD)
    assert build.items() <= pins(LOCKS[1]).items()
    assert "hatchling" in build
    assert len(build) < 10
    assert "://" not in (ROOT / BUILD).read_text(encoding="utf-8")
