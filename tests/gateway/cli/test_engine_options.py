"""How engines are run, as `charter serve` is told: what is no value, and what contradicts."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gateway.cli import engine_options, options
from gateway.cli.settings import SETTINGS
from gateway.pdp.child import Confinement
from gateway.pdp.engines import CAN_BE_ISOLATED, ISOLATED, NAMES
from tests.gateway.cli.commands import Charter


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.env, raising=False)


def test_what_is_repeated_here_so_as_to_load_no_engine_is_what_the_engines_say() -> None:
    assert engine_options.NAMES == NAMES
    assert engine_options.CAN_BE_ISOLATED == CAN_BE_ISOLATED
    assert engine_options.ISOLATED == ISOLATED
    given = Confinement(engine_options.MEMORY_MIB, engine_options.QUESTIONS)
    assert given == Confinement()


@pytest.mark.parametrize(
    ("read", "text", "found"),
    [
        (engine_options.timeouts, "", []),
        (engine_options.timeouts, "cedar=1, opa=2000", ["cedar=1", "opa=2000"]),
        (engine_options.isolated, "", []),
        (engine_options.isolated, "none", []),
        (engine_options.isolated, "cedar, rego", ["cedar", "rego"]),
        (engine_options.memory, "128", 128),
        (engine_options.questions, "100", 100),
    ],
)
def test_values(read: Callable[[str], object], text: str, found: object) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((engine_options.timeouts, text) for text in (
            "cedar", "cedar=", "cedar=0", "cedar=2001", "cedar=-1", "cedar=1.5", "cedar=1e3",
            "cedar=\u0661", "cedar=99999999999", "other=100", "=100", "cedar=1,cedar=2",
            "cedar=1=2",
        )),
        *((engine_options.isolated, text) for text in (
            "opa", "all", "rego,rego", "none,rego", "Rego", "rego;cedar",
        )),
        *((engine_options.memory, text) for text in ("0", "127", "65537", "-1", "1G", "")),
        *((engine_options.questions, text) for text in ("0", "99", "-100", "x", "1e6")),
    ],
)  # fmt: skip
def test_what_is_no_value(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engines", "opa", "--opa-start", "x", "--opa-url", "http://x"), "give one of them"),
        (("--opa-start", "x"), "give --engines cedar,opa"),
        (("--engines", "opa", "--opa-start", "/no/such"), "no program that can be run"),
        (("--engine-timeouts", "opa=100"), "the engine `opa` is not asked"),
    ],
)
def test_what_contradicts_itself_is_one_line(
    arguments: tuple[str, ...], words: str, charter: Charter, project: Path, tmp_path: Path
) -> None:
    where = ("--policies", project, "--state", tmp_path / "state", "--port", "0")
    ran = charter("serve", *where, *arguments)
    ran.check_clean()
    assert ran.code == 1
    assert words in ran.line
    assert not (tmp_path / "state").exists()


def test_the_settings_of_engines_come_from_the_file_and_are_printed_as_one(
    charter: Charter, tmp_path: Path
) -> None:
    text = (
        "[engines]\n"
        'names = ["cedar", "rego"]\ntimeouts = ["rego=300"]\nisolate = []\nmemory = 256\n'
        'questions = 1000\nstop_after = 3\nopa_start = "bin/opa"\n'
    )
    path = tmp_path / "charter.toml"
    path.write_text(text)
    path.chmod(0o644)
    found = json.loads(charter("config", "--config", path, "--format", "json").out)
    assert {name: found[f"engines.{name}"]["value"] for name in (
        "timeouts", "isolate", "memory", "questions", "stop_after", "opa_start"
    )} == {
        "timeouts": ["rego=300"],
        "isolate": [],
        "memory": 256,
        "questions": 1000,
        "stop_after": 3,
        "opa_start": str(tmp_path / "bin/opa"),
    }  # fmt: skip
    again = tmp_path / "again.toml"
    again.write_text(charter("config", "--config", path).out)
    again.chmod(0o644)
    told = json.loads(charter("config", "--config", again, "--format", "json").out)
    assert {key: one["value"] for key, one in told.items()} == {
        key: one["value"] for key, one in found.items()
    }


@pytest.mark.parametrize(
    "line",
    [
        'timeouts = "rego=300"', "timeouts = [300]", 'timeouts = ["rego"]', 'isolate = "rego"',
        'isolate = ["opa"]', 'memory = "256"', "memory = 1", "questions = 1", "stop_after = -1",
        "stop_after = true", "isolated = []",
    ],
)  # fmt: skip
def test_a_settings_file_that_is_wrong_about_engines_is_refused(
    line: str, charter: Charter, tmp_path: Path
) -> None:
    path = tmp_path / "charter.toml"
    path.write_text(f"[engines]\n{line}\n")
    path.chmod(0o644)
    ran = charter("config", "--config", path)
    ran.check_clean()
    assert ran.code == 1
    assert str(path) in ran.line


@pytest.mark.parametrize("call", ["exists", "iterdir"])
def test_a_state_folder_that_nobody_lets_it_look_into_is_refused_in_one_line(
    charter: Charter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    state, others = tmp_path / "state", getattr(Path, call)

    def refuse(path: Path) -> object:
        if path == state or path.parent == state:
            _refused()
        return others(path)

    monkeypatch.setattr(Path, call, refuse)
    monkeypatch.setattr(Path, "iterdir", refuse if call == "iterdir" else _refused_always)
    ran = charter("serve", "--port", "0", "--workers", "0", "--state", state)
    assert ran.code == 1
    assert f"{state}: cannot use it as state folder: Permission denied" in ran.line
    assert "is of user" in ran.line


def _refused() -> NoReturn:
    raise PermissionError(13, "Permission denied")


def _refused_always(_path: Path) -> NoReturn:
    _refused()


def test_a_user_without_a_home_has_the_folder_of_a_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_path: Path) -> NoReturn:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", nobody)
    parser = ArgumentParser()
    options.add_state(parser)
    assert parser.parse_args([]).state == Path("/var/lib/charter")
    monkeypatch.setenv("CHARTER_STATE", "/elsewhere")
    parser = ArgumentParser()
    options.add_state(parser)
    assert parser.parse_args([]).state == Path("/elsewhere")
