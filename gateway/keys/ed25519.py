"""Ed25519 public keys that nobody should trust, although common libraries verify with them.

Under a key of small order one signature fits many messages, and a key that is not written
canonically has two names. OpenSSL accepts both, so they are refused where a key is
registered (RFC 8032 section 5.1.3; "Taming the many EdDSAs", 2020, section 3).
"""

from gateway.errors import KeyMalformedError

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


def _order_8_y() -> frozenset[int]:
    # A point has order 8 where doubling gives y = 0, that is where y^2 = -x^2; with the
    # curve equation -x^2 + y^2 = 1 + d x^2 y^2 this is d y^4 + 2 y^2 - 1 = 0.
    root = _square_root((1 + _D) % _P)
    candidates = [(sign * root - 1) * pow(_D, -1, _P) % _P for sign in (1, -1)]
    squares = [_square_root(y2) for y2 in candidates if pow(y2, (_P - 1) // 2, _P) == 1]
    return frozenset(y for root in squares for y in (root, _P - root))


def _square_root(square: int) -> int:
    # RFC 8032 section 5.1.3, step 3; `square` must have a root.
    root = pow(square, (_P + 3) // 8, _P)
    return root if root * root % _P == square else root * pow(2, (_P - 1) // 4, _P) % _P


_SMALL_ORDER_Y = frozenset({0, 1, _P - 1}) | _order_8_y()


def refuse_weak_key(raw: bytes) -> None:
    """Refuse what is not the canonical encoding of a curve point of large order.

    Raises:
        KeyMalformedError: Wrong length, y not reduced, not on the curve, or small order.
    """
    if len(raw) != 32:
        raise KeyMalformedError(f"an Ed25519 public key has 32 bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        raise KeyMalformedError("the Ed25519 public key is not written canonically")
    if y in _SMALL_ORDER_Y:
        raise KeyMalformedError("the Ed25519 public key is of small order")
    x2 = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x2, (_P - 1) // 2, _P) != 1:
        raise KeyMalformedError("the Ed25519 public key is no point of the curve")
