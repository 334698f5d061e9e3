"""Running `charter` as its user does, in this process or in one of its own."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli import main

CHARTER = (sys.executable, "-m", "gateway.cli")


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        (line,) = self.err.splitlines()
        assert line.startswith("charter: ")
        return line

    def check_clean(self) -> None:
        """No trace of the inside, whatever was asked."""
        for text in (self.out, self.err):
            assert "Traceback" not in text
            assert "fault of Charter" not in text, text
            assert "[Errno" not in text
            assert ".py" not in text


@dataclass
class Charter:
    """The command in this process."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path) -> Ran:
        self.capture.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = int(str(stopped.code or 0))
        captured = self.capture.readouterr()
        ran = Ran(code, captured.out, captured.err)
        ran.check_clean()
        return ran


def here(*arguments: str | Path) -> Ran:
    """The command in this process, without a fixture."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = int(str(stopped.code or 0))
    return Ran(code, out.getvalue(), err.getvalue())


def start(*arguments: str | Path, **variables: str) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    return subprocess.Popen(
        [*CHARTER, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def finish(process: "subprocess.Popen[str]") -> Ran:
    out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out, err)
