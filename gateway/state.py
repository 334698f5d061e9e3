"""State folder: keys, tokens and ledger of one gateway, made on first use.

decision.key     private, ECDSA P-256, mode 0600
checkpoint.key   private, Ed25519, mode 0600
tokens.json      hashes of the tokens that count, mode 0600
trust.json       public: what `charter verify` needs
decision.pem     public: the decision key for stock tools
origin           the name of the log; written last, so that without it a folder is half made
ledger/          the log
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.callers import Callers, issue
from gateway.errors import ConfigurationError, KeyMalformedError
from gateway.keys import CheckpointKey, CheckpointPublicKey, DecisionKey
from gateway.ledger.guard import Guard
from gateway.ledger.log import Log

DEFAULT_ORIGIN = "charter.example/local"
DEFAULT_TENANT = "default"

RESTORED = "restored.json"
_MARKER = "origin"
_OURS = {"decision.key", "checkpoint.key", "tokens.json", "trust.json", "decision.pem"}


@dataclass(frozen=True)
class State:
    """An opened state folder; `new_token` is set once, when the folder was made."""

    folder: Path
    decision_key: DecisionKey
    checkpoint_key: CheckpointKey
    new_token: str | None

    def callers(self, *, others: bool = False) -> Callers:
        """Those with a token; `others` where somebody can ask without one."""
        return Callers.load(self.folder / "tokens.json", others=others)

    def open_ledger(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        seen: Sequence[tuple[str, bytes]] = (),
        seen_file: Path | None = None,
    ) -> Log:
        """The log, unless more or something else was seen of it.

        Args:
            seen: What others have seen; see `gateway.ledger.guard`.
            seen_file: Where what was seen is kept, if not in `seen_place`.
        """
        file = seen_file or seen_place(self.folder)
        return Log.open(
            self.folder / "ledger",
            origin=self.checkpoint_key.public.name,
            signer=self.checkpoint_key,
            clock=clock,
            guard=Guard(file, seen=seen, restored=self.folder / RESTORED),
        )

    def trust(self) -> dict[str, object]:
        """What a stranger needs to verify decisions of this gateway."""
        checkpoint, decision = self.checkpoint_key.public, self.decision_key.public
        return {
            "format": "charter-trust/v1",
            "log": {"origin": checkpoint.name, "vkey": checkpoint.vkey},
            "decision_keys": [{"keyid": decision.key_id, "pem": decision.pem}],
        }


@dataclass(frozen=True)
class WorkerState:
    """What a worker has of a state folder: neither the log nor the key that signs it."""

    folder: Path
    decision_key: DecisionKey
    log_key: CheckpointPublicKey
    published: Mapping[str, object]

    def callers(self, *, others: bool = False) -> Callers:
        """As `State.callers`."""
        return Callers.load(self.folder / "tokens.json", others=others)

    def trust(self) -> dict[str, object]:
        """What a stranger needs to verify decisions of this gateway."""
        return dict(self.published)


def open_state(folder: Path, *, origin: str | None = None) -> State:
    """The state in a folder; an empty or missing folder is set up.

    Raises:
        ConfigurationError: Something in the folder is missing, unsafe or malformed; what is
            there is never replaced.
    """
    try:
        known = _origin_of(folder)
        if known is None:
            return _create(folder, origin or DEFAULT_ORIGIN)
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{folder}: cannot use it as state folder: {words}") from error
    if origin is not None and origin != known:
        raise ConfigurationError(
            f"{folder} belongs to the log `{known}`; a log never changes its origin"
        )
    decision = DecisionKey.load(folder / "decision.key")
    try:
        checkpoint = CheckpointKey.load(folder / "checkpoint.key", name=known)
    except KeyMalformedError as error:
        raise ConfigurationError(f"{folder / _MARKER} holds no name of a log: {error}") from error
    state = State(folder, decision, checkpoint, None)
    _check_published(state)
    return state


def seen_place(folder: Path) -> Path:
    """Where it is kept what was seen of the log: beside the state folder, so that it is not
    put back with it; in the folder where nothing can be written beside it."""
    folder = folder.absolute()
    beside = folder.with_name(f"{folder.name}.seen")
    if beside.exists() or os.access(folder.parent, os.W_OK):
        return beside
    return folder / "seen"


def open_worker_state(folder: Path) -> WorkerState:
    """The state in a folder that the writer of its log has opened before.

    Raises:
        ConfigurationError: A key is missing or unsafe, or `trust.json` does not name it.
    """
    path = folder / "trust.json"
    key = DecisionKey.load(folder / "decision.key")
    try:
        published = json.loads(path.read_text(encoding="utf-8"))
        listed = [one["keyid"] for one in published["decision_keys"]]
        log_key = CheckpointPublicKey.from_vkey(published["log"]["vkey"])
    except (OSError, ValueError, LookupError, TypeError, KeyMalformedError) as error:
        raise ConfigurationError(f"{path} does not tell the keys of this gateway") from error
    if key.public.key_id not in listed:
        raise ConfigurationError(f"{path} does not name the key in {folder / 'decision.key'}")
    return WorkerState(folder, key, log_key, published)


def _check_published(state: State) -> None:
    """Whoever verifies holds what `trust.json` said: with another key no decision counts."""
    path = state.folder / "trust.json"
    if not path.exists():
        return
    ours = state.trust()
    try:
        named = json.loads(path.read_text(encoding="utf-8"))
        listed = [key["keyid"] for key in named["decision_keys"]]
        right = named["log"] == ours["log"] and state.decision_key.key_id in listed
    except (ValueError, LookupError, TypeError):
        right = False
    if not right:
        raise ConfigurationError(
            f"{path} names other keys or another log than there are in this folder, so nobody "
            "could verify what is decided: put back the key files that it names"
        )


def _origin_of(folder: Path) -> str | None:
    """The name of the log in a folder, or None where the folder is missing or empty."""
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return None
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


def _create(folder: Path, origin: str) -> State:
    try:
        checkpoint_name = CheckpointKey.generate(origin).public.name
    except KeyMalformedError as error:
        raise ConfigurationError(f"`{origin}` cannot name a log: {error}") from error
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    decision = DecisionKey.create(folder / "decision.key")
    checkpoint = CheckpointKey.create(folder / "checkpoint.key", name=checkpoint_name)
    token = issue(
        folder / "tokens.json", tenant=DEFAULT_TENANT, now=datetime.now(UTC).replace(microsecond=0)
    )
    state = State(folder, decision, checkpoint, token)
    _write(folder / "decision.pem", decision.public.pem)
    _write(folder / "trust.json", json.dumps(state.trust(), indent=2) + "\n")
    _write(folder / _MARKER, origin + "\n")
    _sync(folder)
    return state


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
