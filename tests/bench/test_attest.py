"""That what the bench of evidence times is verification. No time is looked at."""

import pytest

from tests.bench.attest import ROWS, Work, cpu_us


@pytest.mark.parametrize("name", ROWS)
def test_each_row_verifies_its_evidence(name: str) -> None:
    work = ROWS[name]()
    assert work.size > 100
    assert work.verify()


def test_what_is_timed_is_done_in_each_stretch() -> None:
    done: list[None] = []
    work = Work(1, lambda: done.append(None))
    assert cpu_us(work, 0.001) > 0
    assert len(done) > 5
