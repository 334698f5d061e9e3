"""What is in the container image, and what not. `make image` builds it first; without that
these tests are skipped."""

import json
from typing import cast

import pytest

from tests.deploy.container import RIGHTS, USER, image, podman

pytestmark = pytest.mark.usefixtures("built")


@pytest.fixture(scope="module")
def built() -> str:
    return image()


def inside(script: str) -> str:
    done = podman(
        "run", "--rm", *RIGHTS, "--entrypoint=/opt/charter/bin/python", image(), "-c", script
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_says_how_it_is_run(built: str) -> None:
    (about,) = json.loads(podman("image", "inspect", built).stdout)
    config = cast("dict[str, object]", about["Config"])
    assert config["User"] == f"{USER}:{USER}"
    assert config["StopSignal"] == "SIGTERM"
    assert "Volumes" not in config  # one without a name would go with its container
    told = json.dumps([config, about["History"]]).lower()
    assert [word for word in ("index-url", "proxy", "token", "pip_") if word in told] == []


def test_what_only_builds_or_tests_is_not_in_it() -> None:
    found = json.loads(
        inside(
            "import importlib.util as u, json, os, pathlib\n"
            "names = ['pip', 'hatchling', 'pytest', 'ruff', 'tests', 'setuptools']\n"
            "print(json.dumps({\n"
            " 'importable': [n for n in names if u.find_spec(n)],\n"
            " 'commands': sorted(os.listdir('/opt/charter/bin')),\n"
            " 'paths': [p for p in ('/source', '/opt/build', '/state', '/run/secrets/ca',\n"
            "   '/etc/pip.conf', '/root/.cache') if os.path.exists(p)],\n"
            "}))"
        )
    )
    assert found["importable"] == []
    assert found["commands"] == ["charter", "python", "python3", "python3.11"]
    assert found["paths"] == []


def test_what_is_installed_is_of_root_and_nobody_else_changes_it() -> None:
    found = json.loads(
        inside(
            "import json, os, stat\n"
            "bad, count = [], 0\n"
            "for folder, folders, files in os.walk('/opt/charter'):\n"
            "    for name in [*folders, *files]:\n"
            "        path = os.path.join(folder, name)\n"
            "        s, count = os.lstat(path), count + 1\n"
            "        link = stat.S_ISLNK(s.st_mode)\n"
            "        wrong = s.st_mode & 0o6022 or not s.st_mode & 0o004\n"
            "        if s.st_uid or s.st_gid or wrong and not link:\n"
            "            bad.append(path)\n"
            "print(json.dumps([count, bad]))"
        )
    )
    assert found[0] > 2000
    assert found[1] == []


def test_modules_are_compiled_and_count_whatever_became_of_the_times_of_files() -> None:
    found = json.loads(
        inside(
            "import json, importlib.util as u, pathlib, gateway, dsl, conformance, pydantic\n"
            "old, count = [], 0\n"
            "for p in (gateway, dsl, conformance, pydantic):\n"
            "    for source in pathlib.Path(p.__file__).parent.rglob('*.py'):\n"
            "        made, count = pathlib.Path(u.cache_from_source(str(source))), count + 1\n"
            "        # PEP 552: by a hash that is not looked at.\n"
            "        if not made.exists() or made.read_bytes()[4:8] != bytes((1, 0, 0, 0)):\n"
            "            old.append(str(source))\n"
            "print(json.dumps([count, old]))"
        )
    )
    assert found[0] > 700
    assert found[1] == []
