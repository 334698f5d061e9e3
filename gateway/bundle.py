"""Bundle: charters compiled, content-addressed, with everything the engines load.

The digest is over the digests of all files, so one changed byte of source, core, Rego,
Cedar or schema is another bundle. Agreement vectors are questions made of the charters'
own examples with the answer of the reference evaluator; a gateway puts them to its
engines before it serves.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsl.compile import Compiled, compile_charters
from dsl.core import Program
from dsl.core_json import program_digest, program_to_json
from dsl.evaluate import Answer
from dsl.examples import Fixtures, cases
from dsl.model import Model
from dsl.source import SourceText, not_utf8
from dsl.to_cedar import cedar_policies, cedar_schema
from dsl.to_rego import opa_bundle, tarball
from dsl.to_schema import vocabulary_schema
from dsl.vectors import Vector, agreement_vectors
from gateway.errors import ConfigurationError

MAX_FILES = 1000
MAX_BYTES = 4 * 1024 * 1024  # of all sources together
MAX_RULES = 10_000
PACK = Path(__file__).resolve().parent.parent / "policies"
# Before the names of sources that were not given, but imported from the pack.
FROM_PACK = "charter-pack/"

_NAME = re.compile(r"^\s*charter\s+([a-z0-9._-]+)", re.MULTILINE)
_IMPORT = re.compile(r"^\s*import\s+([a-z0-9._-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Bundle:
    """A compiled bundle. `files` maps paths to bytes; `digest` is `sha256:<hex>`."""

    program: Program
    model: Model
    files: Mapping[str, bytes]
    vectors: tuple[Vector, ...]
    digest: str

    def manifest(self) -> bytes:
        """`bundle.json`: the digest of the bundle and of each file."""
        listed = {path: _sha256(data) for path, data in self.files.items()}
        manifest = {"format": "charter-bundle/v1", "digest": self.digest, "files": listed}
        return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()

    def opa_tarball(self) -> bytes:
        """The part that a stock Open Policy Agent loads."""
        prefix = "opa/"
        return tarball(
            {
                path.removeprefix(prefix): data
                for path, data in self.files.items()
                if path.startswith(prefix)
            }
        )


def read_sources(folder: Path) -> list[SourceText]:
    """Every `*.charter` below a folder, named by its path from there; or one file.

    Raises:
        ConfigurationError: There is none, or one cannot be read as UTF-8.
    """
    paths = sorted(folder.rglob("*.charter")) if folder.is_dir() else [folder]
    if not paths:
        raise ConfigurationError(f"{folder}: there is no file that ends in .charter")
    if len(paths) > MAX_FILES:
        raise ConfigurationError(f"{folder}: more than {MAX_FILES} charters")
    base = folder if folder.is_dir() else folder.parent
    sources = [
        SourceText(path.relative_to(base).as_posix(), _read(path), str(path)) for path in paths
    ]
    if any(source.name.startswith(FROM_PACK) for source in sources):
        raise ConfigurationError(f"{folder}: the folder name {FROM_PACK} is for imported charters")
    if sum(len(source.text.encode()) for source in sources) > MAX_BYTES:
        raise ConfigurationError(f"{folder}: more than {MAX_BYTES:,} bytes of charters")
    return sources


def _read(path: Path) -> str:
    try:
        # Not so for a device or a pipe, which has no end.
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path}: this is no file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: {not_utf8(data)}") from error


def with_imports(sources: Sequence[SourceText]) -> list[SourceText]:
    """The sources, with the charters of the installed pack that they import and do not
    contain, and what those import. A name that the pack has not either is left to the
    compiler, which knows what to say about it."""
    found = list(sources)
    pack: dict[str, SourceText] | None = None
    known = {name for source in found for name in _NAME.findall(source.text)}
    wanted = [name for source in found for name in _IMPORT.findall(source.text)]
    while wanted:
        name = wanted.pop()
        if name in known:
            continue
        known.add(name)
        pack = dict(_pack()) if pack is None else pack
        if name in pack:
            found.append(pack[name])
            wanted += _IMPORT.findall(pack[name].text)
    return found


def _pack() -> Iterator[tuple[str, SourceText]]:
    for source in read_sources(PACK):
        for name in _NAME.findall(source.text):
            yield name, SourceText(f"{FROM_PACK}{source.name}", source.text, source.path)


def compile_folder(folder: Path) -> Compiled:
    """The charters below a folder or in a file, compiled together with what they import
    from the installed pack; see `read_sources` for what it raises."""
    return compile_charters(with_imports(read_sources(folder)))


def uses_pack(compiled: Compiled) -> bool:
    """Whether charters of the installed pack were imported."""
    return any(source.name.startswith(FROM_PACK) for source in compiled.sources)


def build(compiled: Compiled, fixtures: Fixtures) -> Bundle:
    """The bundle of charters that compiled.

    Raises:
        CompilationFailedError: They did not compile.
        UnknownFixtureError: An example names an entity that `fixtures` does not hold.
        ConfigurationError: They have too many rules.
    """
    model, program = compiled.require()
    if len(program.rules) > MAX_RULES:
        raise ConfigurationError(f"{len(program.rules):,} rules, of at most {MAX_RULES:,}")
    asked = (case.question for case in cases(model, program, fixtures))
    vectors = agreement_vectors(program, asked)
    policies = cedar_policies(program)
    files = {
        "core.json": program_to_json(program),
        "cedar/charter.cedarschema": cedar_schema(program).encode(),
        "cedar/decide.cedar": policies.decide.encode(),
        "cedar/why.cedar": policies.why.encode(),
        "cedar/duties.cedar": policies.duties.encode(),
        "vocabulary.schema.json": vocabulary_schema(program),
        "vectors.json": _vectors_json(vectors),
    }
    files |= {f"sources/{source.name}": source.text.encode() for source in compiled.sources}
    opa = opa_bundle(program, program_digest(program))
    files |= {f"opa/{path}": data for path, data in opa.items()}
    return Bundle(program, model, files, vectors, digest_of_files(files))


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """The digest of a bundle that has these files, by path."""
    listed = {path: _sha256(data) for path, data in files.items()}
    return _sha256(json.dumps(listed, sort_keys=True, separators=(",", ":")).encode())


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _vectors_json(vectors: Sequence[Vector]) -> bytes:
    listed = [
        {"question": v.question.document(), "answer": answer_document(v.answer)} for v in vectors
    ]
    return (json.dumps(listed, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def answer_document(answer: Answer) -> dict[str, list[str]]:
    """An answer as JSON; every set sorted."""
    return {
        "denied": sorted(answer.denied),
        "granted": sorted(answer.granted),
        "broken": sorted(answer.broken),
        "open": sorted(answer.open),
        "duties": sorted(answer.duties),
        "preferred": sorted(answer.preferred),
        "noted": sorted(answer.noted),
    }
