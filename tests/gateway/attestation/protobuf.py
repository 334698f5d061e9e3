"""As much of Protocol Buffers as evidence of others needs to be read in tests."""


def fields(data: bytes) -> dict[int, list[bytes]]:
    """The values by field number, in order; numbers as their big-endian bytes."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            number, at = _varint(data, at)
            value = number.to_bytes(8)
        else:
            assert key & 7 == 2
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
