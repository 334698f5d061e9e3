"""A change of keys that is begun: written down first, so that it can be finished after a crash.

    rotation.json → entry of the log → trust.json → files → rotation.json away

Each step can be done twice: the entry has its id and its bytes, and a file that has its new name
is left alone. Until the last one, no gateway starts on the folder.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway import published
from gateway.errors import ConfigurationError
from gateway.keys.errors import RotationError
from gateway.ledger.interface import Ledger
from gateway.self_check import TENANT
from gateway.state import BEGUN

PEM = "decision.pem"
# A key that was made and is not in use yet.
NEXT = ".next"
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `body` is that of the entry, in base64; `signers` are the verifier
    keys that sign the log meanwhile; `moves` are old and new names in the folder."""

    said: Mapping[str, Any]
    entry_id: str
    body: str
    signers: Sequence[str]
    document: Mapping[str, object]
    pem: str | None
    moves: Sequence[tuple[str, str]]


def begun(folder: Path) -> Plan | None:
    """The change that was begun in a state folder; None where there is none.

    Raises:
        ConfigurationError: The file does not say it.
    """
    path = folder / BEGUN
    try:
        read: Any = json.loads(path.read_bytes())
        moves = tuple((str(old), str(new)) for old, new in read.pop("moves"))
        return Plan(**read, moves=moves)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ConfigurationError(f"{path} does not say what was begun: remove it") from error


def begin(folder: Path, plan: Plan) -> None:
    """Write it down."""
    published.replace_file(folder / BEGUN, (json.dumps(asdict(plan)) + "\n").encode(), 0o600)


def finish(folder: Path, plan: Plan, ledger: Ledger) -> None:
    """Do all that is not done yet.

    Raises:
        LedgerError: The entry cannot be logged.
        ConfigurationError: A file cannot be written; the same again goes on from there.
    """
    body = base64.b64decode(plan.body)
    ledger.append(plan.entry_id, TENANT, body).result(_TIMEOUT_S)
    published.write(folder, plan.document)
    if plan.pem is not None:
        published.replace_file(folder / PEM, plan.pem.encode())
    try:
        for old, new in plan.moves:
            if (folder / old).exists() and not (folder / new).exists():
                (folder / old).rename(folder / new)
        published.sync_folder(folder)
        (folder / BEGUN).unlink()
        published.sync_folder(folder)
    except OSError as error:
        raise RotationError(f"{folder}: cannot move a key: {error.strerror}") from error
