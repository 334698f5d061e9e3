"""Decision ids: RFC 9562 version 7, in the order of time, never twice."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identifiers import uuid7

NOW = datetime(2026, 11, 22, 9, 30, 15, 250_999, tzinfo=UTC)


@pytest.mark.parametrize("fill", [0x00, 0x5A, 0xFF])
def test_an_id_has_version_variant_and_time_whatever_the_random_bits(fill: int) -> None:
    made = uuid.UUID(uuid7(NOW, lambda size: bytes([fill]) * size))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(NOW.timestamp() * 1000)


def test_the_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6.
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    random = bytes.fromhex("0cc3") + bytes.fromhex("18c4dc0c0c07398f")
    assert uuid7(at, lambda _: random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_ids_sort_by_time() -> None:
    made = [uuid7(NOW + timedelta(milliseconds=ms), os.urandom) for ms in range(500)]
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7(NOW, os.urandom) for _ in range(1000)}) == 1000


def test_seventy_four_bits_are_random() -> None:
    low, high = (
        int(uuid7(NOW, lambda n, b=b: b * n).replace("-", ""), 16) for b in (b"\0", b"\xff")
    )
    assert (low ^ high).bit_count() == 74


@given(
    st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    st.binary(min_size=10, max_size=10),
)
def test_an_id_is_the_bits_of_the_standard(at: datetime, chance: bytes) -> None:
    value = (int(at.timestamp() * 1000) << 80) | int.from_bytes(chance, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    assert uuid7(at, lambda _: chance) == str(uuid.UUID(int=value))
