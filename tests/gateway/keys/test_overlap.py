"""A log whose key is replaced: the new key signs alongside the old, then alone."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import CheckpointKeyUnknownError, LedgerError, LedgerUnavailableError
from gateway.keys import CheckpointKey, CheckpointPublicKey
from gateway.keys.errors import SigningUnavailableError
from gateway.keys.overlap import Overlap
from gateway.ledger.checkpoint import verify_checkpoint
from gateway.ledger.note import parse_note, verify_note
from tests.gateway.ledger.logs import ORIGIN, open_log

OLD, NEW, THIRD = (CheckpointKey.generate(ORIGIN) for _ in range(3))
BOTH = Overlap(NEW, OLD)


def grown(folder: Path, signer: CheckpointKey | Overlap, *earlier: CheckpointPublicKey) -> bytes:
    """The checkpoint after one more entry."""
    with open_log(folder, signer=signer, earlier=earlier) as log:
        log.append(f"entry-{log.size}", "tenant", b"body").result(5)
        return log.latest_checkpoint().encode()


def size(note: bytes, key: CheckpointKey) -> int:
    return verify_checkpoint(note, key.public, origin=ORIGIN).size


def test_during_the_overlap_either_key_is_enough_and_afterwards_the_new_one(tmp_path: Path) -> None:
    assert size(grown(tmp_path, OLD), OLD) == 1
    both = grown(tmp_path, BOTH, OLD.public)
    assert size(both, OLD) == size(both, NEW) == 2
    assert [line.key_id for line in parse_note(both).signatures] == [NEW.key_id, OLD.key_id]
    assert verify_note(parse_note(both), [OLD.public, NEW.public]) == (NEW.public, OLD.public)
    alone = grown(tmp_path, NEW, OLD.public)
    assert size(alone, NEW) == 3
    with pytest.raises(CheckpointKeyUnknownError):
        size(alone, OLD)
    # And a second time, without an overlap.
    assert size(grown(tmp_path, THIRD, NEW.public, OLD.public), THIRD) == 4


@pytest.mark.parametrize(
    ("signer", "earlier"),
    [
        (NEW, ()),
        (THIRD, ()),
        (THIRD, (NEW.public,)),
        (BOTH, ()),
        (NEW, (CheckpointKey.generate("ledger.example/else").public,)),
    ],
)
def test_a_log_is_not_opened_with_a_key_that_is_none_of_its_own(
    tmp_path: Path, signer: CheckpointKey | Overlap, earlier: tuple[CheckpointPublicKey, ...]
) -> None:
    grown(tmp_path, OLD)
    with pytest.raises(LedgerError, match="configured key"):
        grown(tmp_path, signer, *earlier)
    assert size(grown(tmp_path, OLD), OLD) == 2


def test_a_log_whose_first_key_is_known_but_not_its_last_is_not_opened(tmp_path: Path) -> None:
    grown(tmp_path, OLD)
    grown(tmp_path, NEW, OLD.public)
    with pytest.raises(LedgerError, match="refused"):
        grown(tmp_path, THIRD, OLD.public)


def test_without_the_old_key_there_is_no_checkpoint_of_the_overlap(tmp_path: Path) -> None:
    class Lost(CheckpointKey):
        def sign(self, message: bytes) -> bytes:
            raise SigningUnavailableError("the token is lost")

    grown(tmp_path, OLD)
    lost = Lost(ORIGIN, OLD._key)  # pyright: ignore[reportPrivateUsage]
    with closing(open_log(tmp_path, signer=Overlap(NEW, lost), earlier=[OLD.public])) as log:
        with pytest.raises(LedgerUnavailableError):
            log.append("entry", "tenant", b"body").result(5)
        assert log.size == 1
    assert size(grown(tmp_path, BOTH, OLD.public), OLD) == 2
