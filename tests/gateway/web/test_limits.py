"""No tenant waits behind another's questions for long, and none fills the memory."""

from collections.abc import Sequence

import pytest
from starlette.requests import Request

from gateway.web.limits import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    InFlight,
    TooBusyError,
    expected_size,
)

# --- places --------------------------------------------------------------------------


def test_the_bytes_of_one_tenant_are_bounded_and_given_back() -> None:
    places = InFlight(limit=10, limit_bytes=100)
    with places.one("a", 60), places.one("b", 90), places.one("a", 40) as small:
        with pytest.raises(TooBusyError), places.one("a", 1):
            pass
        small.size = 10  # it had said more than came
        with places.one("a", 30), pytest.raises(TooBusyError), places.one("a", 1):
            pass
    with places.one("a", 100):
        pass


def test_one_question_alone_is_never_too_large_for_its_tenant() -> None:
    with InFlight(limit=10, limit_bytes=100).one("a", 1000):
        pass


def test_an_error_inside_gives_the_place_back() -> None:
    places = InFlight(limit=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places.one("a", 1):
            raise ZeroDivisionError
    with places.one("a", 1), pytest.raises(TooBusyError), places.one("a", 1):
        pass


def request(*headers: tuple[str, str]) -> Request:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": sent})


@pytest.mark.parametrize(
    "said", ["-1", "+1", "1e3", "", "x", "²", str(MAX_BODY_BYTES + 1), "9" * 5000]
)
def test_a_length_that_is_too_large_or_none_is_refused(said: str) -> None:
    with pytest.raises(BodyTooLargeError):
        expected_size(request(("content-length", said)))


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ([], 0),
        ([("content-length", "17")], 17),
        ([("content-length", str(MAX_BODY_BYTES))], MAX_BODY_BYTES),
        # It could become anything: a stranger to the length must not get more room by it.
        ([("transfer-encoding", "chunked")], MAX_BODY_BYTES),
    ],
)
def test_a_body_counts_as_what_it_says_or_as_the_largest(
    headers: Sequence[tuple[str, str]], size: int
) -> None:
    assert expected_size(request(*headers)) == size
