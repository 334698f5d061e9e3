"""The README's commands, run as a reader would run them, give what the README shows.

Blocks marked `console` are one shell session from top to bottom. In what they show, `…`
stands for anything, and on a line of its own for any number of lines.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.gateway_process import free_port
from tests.project import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== end of command ==="


def session() -> list[tuple[str, list[str]]]:
    """Every command with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(README):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def matches(shown: list[str], printed: list[str]) -> bool:
    parts = [".*" if line == "…" else _line(line) for line in shown]
    return re.fullmatch(r"\n".join(parts), "\n".join(printed), re.DOTALL) is not None


def _elsewhere(text: str, ports: dict[str, str]) -> str:
    """The text with free ports in place of those that a reader's machine has free."""
    for written, free in ports.items():
        text = text.replace(written, free)
    return text


def _line(line: str) -> str:
    return re.escape(line).replace("…", "[^\n]*")


class Shell:
    """A bash that runs one command at a time and gives back what it printed."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.log = folder / "serve.log"
        self._process = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )

    def run(self, command: str) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho; echo '{MARK}'\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.rstrip("\n") == MARK:
                break
            printed.append(line.rstrip("\n"))
        while printed and not printed[-1]:
            printed.pop()
        return printed

    def serve(self, command: str) -> list[str]:
        """A command that stays in the background; what it printed until it was ready."""
        self.log.unlink(missing_ok=True)
        self.run(f"{command.removesuffix('&')} >{self.log} 2>&1 &")
        for _ in range(600):
            if self.log.exists() and "charter verify" in self.log.read_text():
                break
            time.sleep(0.05)
        time.sleep(1)
        return self.log.read_text().splitlines()

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate(timeout=20)


def test_the_readme_shows_what_its_commands_print(tmp_path: Path) -> None:
    for name in ("policies", "docs", "conformance"):
        shutil.copytree(ROOT / name, tmp_path / name)
    ports, token = {"8470": str(free_port()), "8471": str(free_port())}, ""
    shell = Shell(tmp_path)
    try:
        for command, shown in session():
            if command == "make setup":
                continue  # this very test runs in what it makes
            shown = [_elsewhere(line, ports) for line in shown]
            if command.endswith("&") and "--port" not in command:
                command = command.replace("serve ", "serve --port 8470 ")
            command = _elsewhere(command, ports).replace("charter_…", token)
            if command.endswith("&"):
                printed = shell.serve(command)
                found = re.search(r"CHARTER_TOKEN=(\S+)", "\n".join(printed))
                assert found, printed
                token = found[1]
            else:
                printed = shell.run(command)
            assert matches(shown, printed), "\n".join([f"$ {command}", *printed])
    finally:
        shell.close()


def test_a_line_that_differs_is_noticed() -> None:
    assert matches(["a", "…", "b …"], ["a", "x", "y", "b c"])
    assert not matches(["a", "b"], ["a"])
    assert not matches(["a …"], ["a 1", "b"])
