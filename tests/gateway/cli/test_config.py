"""Settings from flags, variables and a file: who wins, and what is no setting."""

import json
import tomllib
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.parser import build_parser
from gateway.cli.settings import SETTINGS
from tests.gateway.cli.commands import Charter, Ran, finish, start
from tests.gateway.world import write_project
from tests.project import ROOT

NO_SETTING = {"help", "config", "format", "run", "built_in"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.env, raising=False)
    monkeypatch.delenv("CHARTER_CONFIG", raising=False)


def written(folder: Path, text: str) -> Path:
    path = folder / "charter.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return path


def shown(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def serve_parser() -> ArgumentParser:
    (commands,) = (a for a in build_parser()._actions if a.choices)  # pyright: ignore[reportPrivateUsage]
    return commands.choices["serve"]  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType, reportIndexIssue, reportOptionalSubscript, reportUnknownVariableType]


def test_every_option_of_serve_is_a_setting_and_every_setting_an_option() -> None:
    options = {a.dest for a in serve_parser()._actions}  # pyright: ignore[reportPrivateUsage]
    assert options - NO_SETTING == {setting.dest for setting in SETTINGS}


def test_every_key_and_every_variable_is_one_setting() -> None:
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.env for setting in SETTINGS}) == len(SETTINGS)


def test_without_anything_the_defaults_stand(charter: Charter) -> None:
    found = shown(charter("config", "--format", "json"))
    assert found["listen.port"] == {"value": 8470, "source": "default"}
    assert found["listen.host"]["value"] == "127.0.0.1"
    assert {one["source"] for one in found.values()} == {"default", "fixed"}
    fixed = {key for key, one in found.items() if one["source"] == "fixed"}
    assert set(found) - fixed == {setting.key for setting in SETTINGS}


def test_a_flag_wins_over_a_variable_and_that_over_the_file(
    charter: Charter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[listen]\nport = 1\nconnections = 11\n[engines]\nmemo = 111\n")
    monkeypatch.setenv("CHARTER_LISTEN_PORT", "2")
    monkeypatch.setenv("CHARTER_LISTEN_CONNECTIONS", "22")
    found = shown(charter("config", "--config", path, "--port", "3", "--format", "json"))
    assert found["listen.port"] == {"value": 3, "source": "flag"}
    assert found["listen.connections"] == {"value": 22, "source": "CHARTER_LISTEN_CONNECTIONS"}
    assert found["engines.memo"] == {"value": 111, "source": str(path)}


def test_a_flag_that_says_the_default_wins_too(
    charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_LISTEN_PORT", "2")
    found = shown(charter("config", "--port", "8470", "--format", "json"))
    assert found["listen.port"] == {"value": 8470, "source": "flag"}


def test_the_file_can_be_named_by_a_variable(
    charter: Charter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTER_CONFIG", str(written(tmp_path, "[listen]\nport = 7\n")))
    assert shown(charter("config", "--format", "json"))["listen.port"]["value"] == 7


def test_paths_of_the_file_begin_at_its_folder(charter: Charter, tmp_path: Path) -> None:
    path = written(tmp_path, '[policies]\ncharters = "here"\ncatalogue = "/there.toml"\n')
    found = shown(charter("config", "--config", path, "--format", "json"))
    assert found["policies.charters"]["value"] == str(tmp_path / "here")
    assert found["policies.catalogue"]["value"] == "/there.toml"


def test_overlays_are_a_list_wherever_they_are_given(
    charter: Charter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlays(*arguments: str | Path) -> object:
        ran = charter("config", "--format", "json", *arguments)
        return shown(ran)["policies.overlays"]["value"]

    path = written(tmp_path, '[policies]\noverlays = ["a.toml", "/b.toml"]\n')
    assert overlays("--config", path) == [str(tmp_path / "a.toml"), "/b.toml"]
    assert overlays("--overlay", "x", "--overlay", "y", "--config", path) == ["x", "y"]
    monkeypatch.setenv("CHARTER_POLICIES_OVERLAYS", "c.toml, d.toml")
    assert overlays() == ["c.toml", "d.toml"]


def test_what_is_printed_is_a_settings_file_that_says_the_same(
    charter: Charter, tmp_path: Path
) -> None:
    printed = charter("config", "--port", "99", "--engines", "cedar", "--opa-url", "http://o:1")
    assert printed.code == 0
    assert tomllib.loads(printed.out)["engines"]["names"] == ["cedar"]
    again = charter("config", "--config", written(tmp_path, printed.out), "--format", "json")
    assert shown(again)["listen.port"]["value"] == 99
    assert shown(again)["engines.opa_url"]["value"] == "http://o:1"


@pytest.mark.parametrize(
    "url", ["http://me:secret@opa:1/x", "https://secret@opa/", "http://opa/x?token=secret"]
)
@pytest.mark.parametrize("form", ["human", "json"])
def test_a_secret_in_an_address_is_masked(charter: Charter, url: str, form: str) -> None:
    ran = charter("config", "--opa-url", url, "--traces", url, "--format", form)
    assert ran.code == 0
    assert "secret" not in ran.out + ran.err
    assert "***" in ran.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[listen]\nprot = 1\n", "no setting `listen.prot`; did you mean `listen.port`?"),
        ("[lisen]\nport = 1\n", "no section `lisen`; did you mean `listen`?"),
        (
            "[zzzzzz]\n",
            "there are: attestation, authzen, callers, engines, keys, limits, listen, log, ",
        ),
        ("port = 1\n", "no section `port`"),
        ("listen = 1\n", "write [listen]"),
        ('[listen]\nport = "1"\n', "`listen.port` is a whole number"),
        ("[listen]\nport = true\n", "`listen.port` is a whole number"),
        ("[listen]\nport = 1.5\n", "`listen.port` is a whole number"),
        ("[listen]\nport = -1\n", "`-1` is no port"),
        ("[listen]\nport = 70000\n", "`70000` is no port"),
        ("[listen]\nconnections = 0\n", "nobody could ask"),
        ("[listen]\nhost = 1\n", "`listen.host` is a text"),
        ('[engines]\nnames = "cedar"\n', "`engines.names` is a list of texts"),
        ("[engines]\nnames = [1]\n", "`engines.names` is a list of texts"),
        ('[engines]\nnames = ["ceder"]\n', "there is no engine `ceder`"),
        ("[engines]\nnames = []\n", "name each engine once"),
        ('[state]\nclock_was_ahead_until = "now"\n', "`now` is no instant"),
        ('[state]\nclock_was_ahead_until = "2026-11-22T09:30:00"\n', "names no time zone"),
        ("[state]\nclock_was_ahead_until = 2026-11-22T09:30:00Z\n", "is a text"),
        ("[listen]\nport = 1\nport = 2\n", "this is not TOML"),
        ("[listen]\nport.x = 1\n", "`listen.port` is a whole number"),
        ("x", "this is not TOML"),
        ("x = 2026-02-30\n", "this is not TOML"),
        (f"x = {'[' * 5000}\n", "this is not TOML"),
        (f"{'a.' * 5000}b = 1\n", "this is not TOML"),
    ],
)
def test_what_is_no_setting_in_the_file_is_one_line(
    charter: Charter, tmp_path: Path, text: str, words: str
) -> None:
    path = written(tmp_path, text)
    for command in ("config", "serve"):
        ran = charter(command, "--config", path, "--state", tmp_path / "state")
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.line
        assert str(path) in ran.line
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CHARTER_LISTEN_PROT", "1", "did you mean `CHARTER_LISTEN_PORT`?"),
        ("CHARTER_STATE_FOLDER", "x", "CHARTER_STATE_FOLDER is no setting"),
        ("CHARTER_LISTEN_PORT", "http", "CHARTER_LISTEN_PORT: `http` is no port"),
        ("CHARTER_ENGINES_NAMES", "x", "there is no engine `x`"),
        ("CHARTER_CONFIG", "/nowhere.toml", "No such file"),
    ],
)
def test_what_is_no_setting_in_the_environment_is_one_line(
    charter: Charter, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = charter("config")
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.line


def test_other_variables_of_ours_are_no_settings(
    charter: Charter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHARTER_TOKEN", "CHARTER_OPA", "CHARTER_TRACE"):
        monkeypatch.setenv(name, "x")
    assert charter("config").code == 0


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_can_change_is_refused(
    charter: Charter, tmp_path: Path, mode: int
) -> None:
    path = written(tmp_path, "")
    path.chmod(mode)
    assert "chmod go-w" in charter("config", "--config", path).line


def test_a_folder_is_no_settings_file(charter: Charter, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert str(tmp_path) in charter("config", "--config", tmp_path).line


def test_serve_reads_the_file_and_listens_where_it_says(tmp_path: Path) -> None:
    write_project(tmp_path / "policies")
    text = '[listen]\nport = 0\n[policies]\ncharters = "policies"\n[state]\nfolder = "state"\n'
    path = written(tmp_path, text + '[engines]\nnames = ["reference"]\n')
    process = start("serve", "--config", path, "--format", "json")
    assert process.stderr is not None
    try:
        lines = (line for line in process.stderr if line.startswith("{"))
        line = json.loads(next(lines))
        with urllib.request.urlopen(f"{line['url']}/readyz", timeout=10) as reply:  # noqa: S310
            assert reply.status == 200
    finally:
        process.terminate()
    assert line["event"] == "listening"
    assert line["engines"] == ["reference"]
    assert line["trust"] == str(tmp_path / "state" / "trust.json")
    assert finish(process).code == 0


def test_traces_that_go_nowhere_are_refused_before_anybody_is_served(tmp_path: Path) -> None:
    where = ("--policies", write_project(tmp_path / "p"), "--state", tmp_path / "state")
    ran = finish(start("serve", "--port", "0", "--traces", "collector", *where))
    assert ran.code == 1
    assert "traces go to an address" in ran.err.splitlines()[-1]


def test_the_example_that_is_shipped_is_a_settings_file(charter: Charter, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "deploy" / "charter.toml").read_text(encoding="utf-8")
    assert charter("config", "--config", written(tmp_path, text)).code == 0
