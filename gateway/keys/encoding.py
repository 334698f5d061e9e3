"""Base64 with one spelling per value, so that two texts never carry one signature."""

import base64
import binascii


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64 with padding (RFC 4648 section 4).

    Raises:
        ValueError: URL-safe letters, white space, no padding, or stray bits at the end.
    """
    data = binascii.a2b_base64(text.encode("ascii"))
    # The decoder skips what it does not know; only the way back shows that nothing was.
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the base64 of any bytes")
    return data
