"""The keys of a state folder, which must be those that its `trust.json` tells strangers to
trust: what another key signs counts nowhere."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway import published
from gateway.errors import ConfigurationError, KeyFileError, KeyMalformedError
from gateway.keys import CheckpointSigner, DecisionSigner
from gateway.keys.custody import (
    CHECKPOINT_FILE,
    DECISION_FILE,
    IN_FILE,
    Custody,
    checkpoint_key,
    close,
    decision_key,
)
from gateway.keys.overlap import Overlap
from gateway.published import Published


def own_decision_key(folder: Path, custody: Custody, told: Published | None) -> DecisionSigner:
    """The key that signs decisions.

    Raises:
        ConfigurationError: It is not there, or not the one that counts.
    """
    place = _place(folder, custody.decision, DECISION_FILE)
    with _or_say("decision", place):
        key = decision_key(custody, folder)
    if told is None or told.counts(key.key_id, datetime.now(UTC)):
        return key
    close(key)
    if key.key_id in told.ends:
        raise ConfigurationError(
            f"the decision key in {place} has ended, as {folder / published.FILE} says: put in "
            f"its place the one that counts, {_counting(told)}"
        )
    raise ConfigurationError(
        f"{folder / published.FILE} names other keys than {key.key_id}, which is in {place}, so "
        "nobody could verify what is decided: put back the key files that it names "
        f"({_counting(told)}), or have a new key count by `charter keys rotate`"
    )


def _counting(told: Published) -> str:
    now = datetime.now(UTC)
    return ", ".join(one for one in told.ends if told.counts(one, now)) or "none"


def own_checkpoint_key(
    folder: Path, custody: Custody, origin: str, told: Published | None
) -> CheckpointSigner:
    """The key that signs the log; while one takes the place of another, both.

    Raises:
        ConfigurationError: One is not there, or not the one that counts.
    """
    place = _place(folder, custody.checkpoint, CHECKPOINT_FILE)
    try:
        with _or_say("checkpoint", place):
            key = checkpoint_key(custody, folder, name=origin)
    except KeyMalformedError as error:
        raise ConfigurationError(f"{folder / 'origin'} holds no name of a log: {error}") from error
    if told is None:
        return key
    if told.log_key != key.public:
        close(key)
        raise ConfigurationError(
            f"{folder / published.FILE} names another log or another key of it than "
            f"{key.public.vkey}, which is in {place}, so nobody could verify what is logged: put "
            f"back the key files that it names ({told.log_key.vkey}), or have a new key sign by "
            "`charter keys rotate`"
        )
    if told.ending is None:
        return key
    try:
        with _or_say("checkpoint", "the place of the one before", "charter keys retire"):
            before = checkpoint_key(custody, folder, name=origin, before=True)
    except BaseException:
        close(key)
        raise
    if before.public != told.ending:
        close(key, before)
        raise ConfigurationError(
            f"the key that signs alongside is not {told.ending.vkey}: put that back, or end it "
            "by `charter keys retire`"
        )
    return Overlap(key, before)


def _place(folder: Path, place: str, name: str) -> str:
    return str(folder / name) if place == IN_FILE else place


@contextmanager
def _or_say(
    purpose: str, place: str, command: str = "charter keys rotate --lost"
) -> Generator[None]:
    """What to do where a key is gone."""
    try:
        yield
    except KeyFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise KeyFileError(
            f"{error}; put the {purpose} key back in {place}, or, if it is lost for good, run "
            f"`{command}`"
        ) from error
