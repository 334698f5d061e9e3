"""What `charter serve` is told, from three places: a flag wins over a variable of the
environment, and that over the settings file, which is TOML.

The table below is all there is: a key that is not in it is an error, and so is a variable
that begins like one of them and is none.
"""

import os
import stat
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dsl.near import nearest
from gateway import toml_text
from gateway.cli import (
    engine_options,
    key_options,
    options,
    seen,
    stamping,
    tpm_options,
    witness_options,
)
from gateway.errors import ConfigurationError

MAX_FILE_BYTES = 1024 * 1024
FILE_VARIABLE = "CHARTER_CONFIG"
PREFIX = "CHARTER_"
# Where argparse keeps what it would have taken by itself.
_BUILT_IN = "built_in"


class Text:
    """A setting that is a text; `read` turns it into what the command wants."""

    kind: type = str
    words = "a text"

    def __init__(self, read: Callable[[str], object] = str) -> None:
        self.read = read

    def of_file(self, value: object, _folder: Path) -> object:
        return self.read(str(value))


class Number(Text):
    """A whole number."""

    kind = int
    words = "a whole number"


class File(Text):
    """A path. In the settings file it begins at the folder of that file."""

    words = "a path"

    def of_file(self, value: object, folder: Path) -> object:
        return self.read(str(folder / str(value)))


class Names(Text):
    """Names: a list in the file, with commas between elsewhere."""

    kind = list
    words = "a list of texts"

    def of_file(self, value: object, _folder: Path) -> object:
        return self.read(",".join(map(str, cast("list[object]", value))))


class Files(Names):
    """Paths: a list in the file, where they begin at its folder, with commas elsewhere."""

    words = "a list of paths"

    def of_file(self, value: object, folder: Path) -> object:
        return [str(folder / str(one)) for one in cast("list[object]", value)]


def collector(text: str) -> str:
    """The address of a collector of traces."""
    if not text.startswith(("http://", "https://")) or not text.isprintable() or " " in text:
        raise ArgumentTypeError("traces go to an address such as http://127.0.0.1:4318/v1/traces")
    return text


@dataclass(frozen=True)
class Setting:
    """One setting: its place in the file, and the flag that it stands for."""

    section: str
    name: str
    dest: str
    form: Text
    variable: str = ""

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def env(self) -> str:
        return self.variable or f"{PREFIX}{self.section}_{self.name}".upper()


SETTINGS = (
    Setting("listen", "host", "host", Text()),
    Setting("listen", "port", "port", Number(options.port)),
    Setting("listen", "tls_cert", "tls_cert", File()),
    Setting("listen", "tls_key", "tls_key", File()),
    Setting("listen", "connections", "connections", Number(options.connections)),
    Setting(
        "listen", "connections_of_client", "connections_of_client", Number(options.connections)
    ),
    Setting("listen", "workers", "workers", Number(options.workers)),
    Setting("listen", "public_url", "public_url", Text(options.public_url)),
    Setting("limits", "in_flight_of_tenant", "in_flight_of_tenant", Number(options.in_flight)),
    Setting("limits", "decision_ms", "decision_ms", Number(options.decision_ms)),
    Setting("authzen", "without_context", "authzen_without_context", Names(options.tenants)),
    Setting("policies", "charters", "policies", File(Path)),
    Setting("policies", "catalogue", "catalogue", File(Path)),
    Setting("policies", "overlays", "overlays", Files(options.names)),
    Setting("policies", "fixtures", "fixtures", File(Path)),
    Setting("policies", "authors", "authors", File(Path)),
    Setting("policies", "release", "release", File(Path)),
    Setting("engines", "names", "engines", Names(options.engine_names)),
    Setting("engines", "timeouts", "engine_timeouts", Names(engine_options.timeouts)),
    Setting("engines", "isolate", "isolate", Names(engine_options.isolated)),
    Setting("engines", "memory", "engine_memory", Number(engine_options.memory)),
    Setting("engines", "questions", "engine_questions", Number(engine_options.questions)),
    Setting("engines", "stop_after", "stop_after", Number(options.count)),
    Setting("engines", "opa_url", "opa_url", Text()),
    Setting("engines", "opa_start", "opa_start", File(Path)),
    Setting("engines", "memo", "memo", Number(options.count)),
    Setting("callers", "file", "callers", File(Path)),
    Setting("sources", "file", "sources", File(Path)),
    Setting("state", "folder", "state", File(Path), "CHARTER_STATE"),
    Setting("state", "origin", "origin", Text()),
    Setting("state", "clock_was_ahead_until", "clock_was_ahead_until", Text(options.instant)),
    Setting("log", "seen_file", "seen_file", File(Path)),
    Setting("log", "seen", "seen", Files(options.names)),
    Setting("log", "mirrors", "mirrors", Names(seen.addresses)),
    Setting("log", "mirror_ca", "mirror_ca", File(Path)),
    Setting("log", "mirror_networks", "mirror_networks", Names(seen.networks)),
    Setting("timestamps", "url", "timestamp_url", Text(stamping.address)),
    Setting("timestamps", "roots", "timestamp_roots", File(Path)),
    Setting("timestamps", "signers", "timestamp_signers", File(Path)),
    Setting("timestamps", "interval_s", "timestamp_interval", Number(stamping.interval)),
    Setting("timestamps", "ca", "timestamp_ca", File(Path)),
    Setting("timestamps", "networks", "timestamp_networks", Names(seen.networks)),
    Setting("witness", "mode", "witness_mode", Text(witness_options.mode)),
    Setting("witness", "policy", "witness_policy", File(Path)),
    Setting("witness", "interval_s", "witness_interval", Number(witness_options.interval)),
    Setting("witness", "timeout_ms", "witness_ms", Number(witness_options.timeout)),
    Setting("witness", "ca_file", "witness_ca", File(Path)),
    Setting("witness", "networks", "witness_networks", Names(witness_options.networks)),
    Setting("keys", "decision", "decision_key", Text(key_options.place)),
    Setting("keys", "checkpoint", "checkpoint_key", Text(key_options.place)),
    Setting("keys", "checkpoint_before", "checkpoint_key_before", Text(key_options.place)),
    Setting("keys", "receipt", "receipt_key", Text(key_options.place)),
    Setting("keys", "pin_file", "pin_file", File(Path)),
    Setting("attestation", "nodes", "nodes", File(Path)),
    Setting("attestation", "policy", "appraisal", File(Path)),
    Setting("attestation", "anchors", "anchors", File(Path)),
    Setting("attestation", "tpm", "tpm", Text(tpm_options.tcti)),
    Setting("attestation", "tpm_pcrs", "tpm_pcrs", Names(tpm_options.pcrs)),
    Setting("attestation", "tpm_key", "tpm_key", Text(tpm_options.handle)),
    Setting("attestation", "tpm_decision_key", "tpm_decision_key", Text(tpm_options.handle)),
    Setting("attestation", "tpm_ak_path", "tpm_ak_path", File(Path)),
    Setting("tracing", "collector", "traces", Text(collector)),
)
BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Effective:
    """What a setting is, and who said so."""

    setting: Setting
    value: object
    source: str


def take_over(parser: ArgumentParser) -> None:
    """Have the parser leave open what no flag says, and remember what it would have said."""
    built_in = {setting.dest: parser.get_default(setting.dest) for setting in SETTINGS}
    parser.set_defaults(**dict.fromkeys(built_in), **{_BUILT_IN: built_in})


def resolve(args: Namespace, environment: Mapping[str, str] = os.environ) -> list[Effective]:
    """Fill in what no flag said, and say where each value comes from.

    Raises:
        ConfigurationError: A key or a variable is unknown, or a value is none.
    """
    given = environment.get(FILE_VARIABLE)
    path = args.config or (Path(given) if given else None)
    in_file = {} if path is None else dict(read_file(path))
    _check_variables(environment)
    built_in = cast("Mapping[str, object]", getattr(args, _BUILT_IN))
    found: list[Effective] = []
    for setting in SETTINGS:
        flag: object = getattr(args, setting.dest)
        if flag is not None:
            value, source = flag, "flag"
        elif environment.get(setting.env):
            value, source = _of_variable(setting, environment[setting.env]), setting.env
        elif setting.key in in_file:
            value, source = in_file[setting.key], str(path)
        else:
            value, source = built_in[setting.dest], "default"
        setattr(args, setting.dest, value)
        found.append(Effective(setting, value, source))
    return found


def _of_variable(setting: Setting, text: str) -> object:
    try:
        return setting.form.read(text)
    except ArgumentTypeError as error:
        raise ConfigurationError(f"{setting.env}: {error}") from error


def _check_variables(environment: Mapping[str, str]) -> None:
    known = {setting.env for setting in SETTINGS}
    sections = tuple(f"{PREFIX}{setting.section.upper()}_" for setting in SETTINGS)
    for name in sorted(environment):
        if name.startswith(sections) and name not in known:
            raise ConfigurationError(f"{name} is no setting{_did_you_mean(name, known)}")


# --- the file ------------------------------------------------------------------------


def read_file(path: Path) -> Iterator[tuple[str, object]]:
    """Keys and values of a settings file.

    Raises:
        ConfigurationError: It is missing, malformed, can be changed by others, or says what
            is no setting.
    """
    return _values(path, _read(path))


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigurationError(f"{path}: this is no file")
            if mode & 0o022:
                raise ConfigurationError(f"{path} can be changed by others: run chmod go-w {path}")
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path}: larger than {MAX_FILE_BYTES:,} bytes")
        return toml_text.loads(data.decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: this is not TOML: {error}") from error


def _values(path: Path, file: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    sections = {setting.section for setting in SETTINGS}
    for section, members in file.items():
        if section not in sections:
            raise ConfigurationError(
                f"{path}: there is no section `{section}`{_did_you_mean(section, sections)}"
            )
        if not isinstance(members, dict):
            raise ConfigurationError(f"{path}: `{section}` is a section: write [{section}]")
        for name, value in cast("dict[str, object]", members).items():
            key = f"{section}.{name}"
            if key not in BY_KEY:
                raise ConfigurationError(
                    f"{path}: there is no setting `{key}`{_did_you_mean(key, BY_KEY)}"
                )
            yield key, _of_file(path, BY_KEY[key], value)


def _of_file(path: Path, setting: Setting, value: object) -> object:
    form = setting.form
    right = type(value) is form.kind
    if form.kind is list and right:
        right = all(isinstance(one, str) for one in cast("list[object]", value))
    if not right:
        raise ConfigurationError(f"{path}: `{setting.key}` is {form.words}")
    try:
        return form.of_file(value, path.parent)
    except ArgumentTypeError as error:
        raise ConfigurationError(f"{path}: `{setting.key}`: {error}") from error


def _did_you_mean(name: str, known: Mapping[str, object] | set[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean `{near}`?" if near else f"; there are: {', '.join(sorted(known))}"
