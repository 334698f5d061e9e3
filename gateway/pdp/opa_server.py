"""A stock Open Policy Agent that the gateway starts itself, and watches.

It listens on a socket in a folder of its own that only this user can enter, so nobody else
can ask it or change what it holds, and there is no port that another could have taken.
"""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

from gateway.errors import ConfigurationError, EngineUnavailableError
from gateway.pdp.opa_folder import OpaFolder, remove_left
from gateway.pdp.opa_line import OpaLines
from gateway.pdp.process import Process

NAME = "opa"
OLDEST = (1, 0)  # the first whose Rego is the one we emit without being told so
START_S = 30.0
CLOSE_S = 2.0
_POLL_S = 0.02
_VERSION_S = 10.0
_VERSION = re.compile(r"^Version: (\d+)\.(\d+)\.", re.MULTILINE)
# What Go may take before it collects harder, and what the system gives at all: the runtime
# reserves far more than it uses.
_SOFT_LIMIT = "512MiB"
# It collects when it has five times what lives, not twice: a fifth of its time for 40 MiB.
_COLLECT = "400"
_LIMITS = {"RLIMIT_AS": 8 << 30}


def check_binary(path: Path) -> Path:
    """The absolute path of an OPA that can be started.

    Raises:
        ConfigurationError: There is none, or it is too old or none at all.
    """
    found = shutil.which(path)
    if found is None:
        raise ConfigurationError(f"--opa-start: {path} is no program that can be run")
    try:
        told = subprocess.run(  # noqa: S603
            [found, "version"],
            capture_output=True,
            timeout=_VERSION_S,
            env={},
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"--opa-start: {path} does not tell its version") from error
    version = _VERSION.search(told.stdout.decode("utf-8", "replace"))
    if version is None:
        raise ConfigurationError(f"--opa-start: {path} is no Open Policy Agent")
    if (int(version[1]), int(version[2])) < OLDEST:
        raise ConfigurationError(
            f"--opa-start: {path} is version {version[1]}.{version[2]}; "
            f"at least {OLDEST[0]}.{OLDEST[1]} is needed"
        )
    return Path(found).resolve()


class OpaServer:
    """A running server with a bundle loaded, and the client of it."""

    def __init__(self, folder: OpaFolder, process: Process, client: OpaLines) -> None:
        self._folder = folder
        self._process = process
        self.client = client

    @classmethod
    async def launch(cls, binary: Path, bundle: bytes, *, timeout_s: float) -> "OpaServer":
        """A server that says it is healthy.

        Args:
            bundle: The tarball it loads.
            timeout_s: Of its client, for a question.

        Raises:
            EngineUnavailableError: It does not start.
        """
        remove_left()
        try:
            given = OpaFolder()
        except OSError as error:
            raise EngineUnavailableError(NAME, f"it gets no folder: {error.strerror}") from error
        folder = given.path
        server: OpaServer | None = None
        try:
            (folder / "bundle.tar.gz").write_bytes(bundle)
            address = folder / "opa.sock"
            command = [str(binary), "run", "--server", f"--addr=unix://{address}"]
            command += ["--bundle", str(folder / "bundle.tar.gz"), "--log-level=error"]
            command += ["--disable-telemetry"]
            environment = {"GOMEMLIMIT": _SOFT_LIMIT, "GOGC": _COLLECT, "HOME": str(folder)}
            process = Process(command, limits=_LIMITS, environment=environment, folder=str(folder))
            server = cls(given, process, OpaLines(address, timeout_s=timeout_s))
            await asyncio.wait_for(server._healthy(), START_S)
        except BaseException as error:
            if server is not None:
                await server._discard()
            given.remove()
            if isinstance(error, (OSError, TimeoutError)):
                detail = str(error) or "its server is not ready in time"
                raise EngineUnavailableError(NAME, detail) from error
            raise
        return server

    async def _healthy(self) -> None:
        while not await self.client.is_healthy():
            if self.ended.done():
                words = self._process.last_words or self.ended.result()
                raise EngineUnavailableError(NAME, f"its server ended: {words}")
            await asyncio.sleep(_POLL_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> asyncio.Future[str]:
        return self._process.ended

    def kill(self) -> None:
        self._process.kill()

    async def _discard(self) -> None:
        self.kill()
        await asyncio.wait([self.ended], timeout=CLOSE_S)
        await self.client.close()

    async def close(self) -> None:
        """End it. What it was asked is given up: it writes nothing."""
        await self._discard()
        self._folder.remove()
