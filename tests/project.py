"""The project as files: where it is, what belongs to it, what it depends on."""

import subprocess
import tomllib
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def committed_files() -> list[str]:
    """The files under version control, by their path from the root."""
    return _listed("--cached")


def project_files(*below: str) -> list[str]:
    """The files that are committed or would be, by their path from the root."""
    return _listed("--cached", "--others", "--exclude-standard", "--", *below)


def _listed(*options: str) -> list[str]:
    command = ["git", "ls-files", "-z", *options]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = {path for path in listed.stdout.split("\0") if path}
    return sorted(path for path in paths if (ROOT / path).is_file())


def runtime_requirements() -> list[Requirement]:
    """What pyproject.toml says that the package needs to run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def optional_requirements() -> list[Requirement]:
    """What pyproject.toml says that extras of the package need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = cast("dict[str, list[str]]", project["optional-dependencies"])
    return [Requirement(line) for lines in extras.values() for line in lines]


def development_requirements() -> list[Requirement]:
    """What pyproject.toml says that `make` needs besides."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in pyproject["dependency-groups"]["dev"]]
