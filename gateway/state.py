"""State folder: keys, tokens and ledger of one gateway, made on first use.

decision.key     private, ECDSA P-256, mode 0600
checkpoint.key   private, Ed25519, mode 0600
tokens.json      hashes of the tokens that count, mode 0600
trust.json       public: what `charter verify` needs
decision.pem     public: the decision key for stock tools
ledger/          the log
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.callers import Callers, issue
from gateway.errors import ConfigurationError
from gateway.keys import CheckpointKey, DecisionKey
from gateway.ledger.log import Log

DEFAULT_ORIGIN = "charter.example/local"
DEFAULT_TENANT = "default"


@dataclass(frozen=True)
class State:
    """An opened state folder; `new_token` is set once, when the folder was made."""

    folder: Path
    decision_key: DecisionKey
    checkpoint_key: CheckpointKey
    new_token: str | None

    def callers(self) -> Callers:
        return Callers.load(self.folder / "tokens.json")

    def open_ledger(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Log:
        return Log.open(
            self.folder / "ledger",
            origin=self.checkpoint_key.public.name,
            signer=self.checkpoint_key,
            clock=clock,
        )

    def trust(self) -> dict[str, object]:
        """What a stranger needs to verify decisions of this gateway."""
        checkpoint, decision = self.checkpoint_key.public, self.decision_key.public
        return {
            "format": "charter-trust/v1",
            "log": {"origin": checkpoint.name, "vkey": checkpoint.vkey},
            "decision_keys": [{"keyid": decision.key_id, "pem": decision.pem}],
        }


def open_state(folder: Path, *, origin: str | None = None) -> State:
    """The state in a folder; an empty or missing folder is set up.

    Raises:
        ConfigurationError: Something in the folder is missing, unsafe or malformed; what is
            there is never replaced.
    """
    marker = folder / "origin"
    if not marker.exists():
        return _create(folder, origin or DEFAULT_ORIGIN)
    known = marker.read_text(encoding="utf-8").strip()
    if origin is not None and origin != known:
        raise ConfigurationError(
            f"{folder} belongs to the log `{known}`; a log never changes its origin"
        )
    decision = DecisionKey.load(folder / "decision.key")
    checkpoint = CheckpointKey.load(folder / "checkpoint.key", name=known)
    return State(folder, decision, checkpoint, None)


def _create(folder: Path, origin: str) -> State:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty and holds no gateway; name another folder")
    decision = DecisionKey.create(folder / "decision.key")
    checkpoint = CheckpointKey.create(folder / "checkpoint.key", name=origin)
    token = issue(folder / "tokens.json", tenant=DEFAULT_TENANT)
    state = State(folder, decision, checkpoint, token)
    (folder / "decision.pem").write_text(decision.public.pem, encoding="utf-8")
    trust = json.dumps(state.trust(), indent=2) + "\n"
    (folder / "trust.json").write_text(trust, encoding="utf-8")
    # Written last: without it the folder counts as half made, and is not silently reused.
    (folder / "origin").write_text(origin + "\n", encoding="utf-8")
    return state
