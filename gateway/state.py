"""State folder: keys, tokens and ledger of one gateway, made on first use.

decision.key            private, ECDSA P-256, mode 0600; not where it is in a token
checkpoint.key          private, Ed25519, mode 0600; not where it is in a token
checkpoint.before.key   the one before it, while both sign
tokens.json             hashes of the tokens that count, mode 0600
trust.json              public: what `charter verify` needs
decision.pem            public: the decision key for stock tools
origin                  the name of the log; written last: a folder without it is half made
rotation.json           a change of keys that was begun; see `gateway.rotation`
seen.at                 where it is kept what was seen of the log, if not beside the folder
attestation.sqlite3     evidence of machines, where it is taken; see `gateway.nodes.store`
ledger/                 the log
bundles/                rules and catalogues that were in force; see `gateway.kept`
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import published
from gateway.callers import LOOK_S, Callers, issue
from gateway.errors import ConfigurationError, KeyMalformedError
from gateway.keys import CheckpointKey, CheckpointPublicKey, CheckpointSigner, DecisionSigner
from gateway.keys.custody import (
    CHECKPOINT_FILE,
    DECISION_FILE,
    IN_FILE,
    IN_FILES,
    Custody,
    checkpoint_key,
    close,
    decision_key,
)
from gateway.keys.overlap import alongside
from gateway.ledger.guard import Guard
from gateway.ledger.log import Log
from gateway.own_keys import own_checkpoint_key, own_decision_key
from gateway.published import Published

DEFAULT_ORIGIN = "charter.example/local"
DEFAULT_TENANT = "default"
BEGUN = "rotation.json"

RESTORED = "restored.json"
NEXT_LOG = "shard.json"
SEEN_AT = "seen.at"
_MARKER = "origin"
_PEM = "decision.pem"
_OURS = {DECISION_FILE, CHECKPOINT_FILE, "tokens.json", published.FILE, _PEM}


@dataclass(frozen=True)
class State:
    """An opened state folder; `new_token` is set once, when the folder was made. `earlier` are
    the keys that the log had before, the newest first."""

    folder: Path
    decision_key: DecisionSigner
    checkpoint_key: CheckpointSigner
    new_token: str | None
    published: Mapping[str, object] | None = None
    earlier: tuple[CheckpointPublicKey, ...] = ()

    def callers(self, *, others: bool = False) -> Callers:
        """Those with a token; `others` where somebody can ask without one."""
        return Callers.load(self.folder / "tokens.json", others=others, look_s=LOOK_S)

    def open_ledger(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        seen: Sequence[tuple[str, bytes]] = (),
        seen_file: Path | None = None,
        lost: bool = False,
    ) -> Log:
        """The log, unless more or something else was seen of it.

        Args:
            seen: What others have seen; see `gateway.ledger.guard`.
            seen_file: Where what was seen is kept, if not in `seen_place`.
            lost: Also where it was restored and nobody says what came after; it must end.
        """
        file = seen_file or seen_place(self.folder)
        opened = Log.open(
            self.folder / "ledger",
            origin=self.checkpoint_key.public.name,
            signer=self.checkpoint_key,
            clock=clock,
            earlier=self.earlier,
            guard=Guard(file, seen=seen, restored=None if lost else self.folder / RESTORED),
        )
        if seen_file is not None and seen_file.absolute() != seen_place(self.folder):
            try:
                said = f"{seen_file.absolute()}\n".encode()
                published.replace_file(self.folder / SEEN_AT, said, 0o600)
            except BaseException:
                opened.close()
                raise
        return opened

    def trust(self) -> dict[str, object]:
        """What a stranger needs to verify decisions of this gateway."""
        if self.published is not None:
            return dict(self.published)
        return published.first(self.decision_key.public, self.checkpoint_key.public)

    def close(self) -> None:
        """Let go of keys that are elsewhere."""
        close(self.decision_key, *alongside(self.checkpoint_key))


@dataclass(frozen=True)
class WorkerState:
    """What a worker has of a state folder: neither the log nor the key that signs it."""

    folder: Path
    decision_key: DecisionSigner
    log_key: CheckpointPublicKey
    published: Mapping[str, object]

    def callers(self, *, others: bool = False) -> Callers:
        """As `State.callers`."""
        return Callers.load(self.folder / "tokens.json", others=others, look_s=LOOK_S)

    def trust(self) -> dict[str, object]:
        """What a stranger needs to verify decisions of this gateway."""
        return dict(self.published)

    def close(self) -> None:
        """As `State.close`."""
        close(self.decision_key)


def open_state(folder: Path, *, origin: str | None = None, custody: Custody = IN_FILES) -> State:
    """The state in a folder; an empty or missing folder is set up.

    Args:
        custody: Where its keys are.

    Raises:
        ConfigurationError: Something in the folder is missing, unsafe or malformed; what is
            there is never replaced.
    """
    known = origin_of(folder)
    if known is None:
        try:
            return _create(folder, origin or DEFAULT_ORIGIN, custody)
        except OSError as error:
            raise _unusable(folder, _why(folder, error)) from error
    if origin is not None and origin != known:
        raise ConfigurationError(
            f"{folder} belongs to the log `{known}`; a log never changes its origin"
        )
    if (folder / BEGUN).exists():
        raise ConfigurationError(
            f"{folder}: a change of keys was begun and not finished: run `charter keys rotate` "
            "again as before"
        )
    return _open(folder, known, custody, published.read(folder))


def _open(folder: Path, origin: str, custody: Custody, told: Published | None) -> State:
    decision = own_decision_key(folder, custody, told)
    try:
        checkpoint = own_checkpoint_key(folder, custody, origin, told)
    except BaseException:
        close(decision)
        raise
    if told is None:
        return State(folder, decision, checkpoint, None)
    return State(folder, decision, checkpoint, None, told.document, told.earlier)


def seen_place(folder: Path) -> Path:
    """Where it is kept what was seen of the log: where a gateway on this folder was told to,
    so that no command without its settings looks elsewhere; else beside the state folder, so
    that it is not put back with it; in the folder where nothing can be written beside it.

    Raises:
        ConfigurationError: The folder does not say it as it did.
    """
    folder = folder.absolute()
    try:
        told = Path((folder / SEEN_AT).read_text(encoding="utf-8").removesuffix("\n"))
    except FileNotFoundError:
        told = None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{folder / SEEN_AT}: cannot read it") from error
    if told is not None:
        return told
    beside = folder.with_name(f"{folder.name}.seen")
    if beside.exists() or os.access(folder.parent, os.W_OK):
        return beside
    return folder / "seen"


def open_worker_state(folder: Path, *, custody: Custody = IN_FILES) -> WorkerState:
    """The state in a folder that the writer of its log has opened before.

    Raises:
        ConfigurationError: A key is missing or unsafe, or `trust.json` does not name it.
    """
    told = published.read(folder)
    if told is None:
        raise ConfigurationError(f"{folder / published.FILE} is missing: put it back")
    return WorkerState(folder, own_decision_key(folder, custody, told), told.log_key, told.document)


def _unusable(folder: Path, words: str | None) -> ConfigurationError:
    return ConfigurationError(f"{folder}: cannot use it as state folder: {words}")


def _why(folder: Path, error: OSError) -> str | None:
    """What the system says, and whose it is where this user may not."""
    if isinstance(error, PermissionError):
        for place in (folder, *folder.absolute().parents):
            with suppress(OSError):
                owner, user = place.stat().st_uid, os.geteuid()
                return f"{error.strerror}; {place} is of user {owner}, and this is user {user}"
    return error.strerror


def origin_of(folder: Path) -> str | None:
    """The name of the log in a folder, or None where the folder is missing or empty.

    Raises:
        ConfigurationError: It was half made, or is of something else.
    """
    try:
        return _origin_of(folder)
    except OSError as error:
        raise _unusable(folder, _why(folder, error)) from error
    except UnicodeDecodeError as error:
        raise _unusable(folder, "it is not text") from error


def _origin_of(folder: Path) -> str | None:
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return None
    if NEXT_LOG in names:
        raise ConfigurationError(
            f"{folder}: a change of logs was begun and not finished: run `charter ledger shard` "
            "again"
        )
    if _MARKER in names:
        # Others could put their keys in the place of ours.
        if folder.stat().st_mode & 0o022:
            raise ConfigurationError(f"{folder} can be changed by others: run chmod 700 {folder}")
        return (folder / _MARKER).read_text(encoding="utf-8").strip()
    if names & _OURS:
        raise ConfigurationError(
            f"{folder} was not set up to its end; nothing was decided with the keys in it, "
            "so remove it and start again"
        )
    if names:
        raise ConfigurationError(f"{folder} is not empty and holds no gateway; name another folder")
    return None


def _create(folder: Path, origin: str, custody: Custody) -> State:
    try:
        name = CheckpointKey.generate(origin).public.name
    except KeyMalformedError as error:
        raise ConfigurationError(f"`{origin}` cannot name a log: {error}") from error
    opened: list[object] = []
    try:
        # Keys in tokens are tried before there is a folder, which would be half made.
        for_decisions = custody.decision != IN_FILE and decision_key(custody, folder)
        opened.append(for_decisions)
        for_the_log = custody.checkpoint != IN_FILE and checkpoint_key(custody, folder, name=name)
        opened.append(for_the_log)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        decision = for_decisions or decision_key(custody, folder, make=True)
        checkpoint = for_the_log or checkpoint_key(custody, folder, name=name, make=True)
        token = issue(
            folder / "tokens.json",
            tenant=DEFAULT_TENANT,
            now=datetime.now(UTC).replace(microsecond=0),
        )
        document = published.first(decision.public, checkpoint.public)
        _write(folder / _PEM, decision.public.pem)
        published.write(folder, document)
        _write(folder / _MARKER, origin + "\n")
        published.sync_folder(folder)
    except BaseException:
        close(*opened)
        raise
    return State(folder, decision, checkpoint, token, document)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
