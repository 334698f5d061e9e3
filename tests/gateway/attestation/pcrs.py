"""The file of PCR values that `tpm2_quote --pcr` writes."""

import struct
from collections.abc import Mapping


def pcr_file(values: Mapping[tuple[int, int], bytes]) -> bytes:
    banks = list(dict.fromkeys(bank for bank, _ in values))
    head = struct.pack("<I", len(banks))
    digests: list[bytes] = []
    for bank in banks:
        numbers = sorted(number for one, number in values if one == bank)
        bits = sum(1 << number for number in numbers)
        head += struct.pack("<HB", bank, 3) + bits.to_bytes(4, "little") + b"\0"
        digests += [values[bank, number] for number in numbers]
    head = head.ljust(4 + 8 * 16, b"\0")
    lists = [digests[first : first + 8] for first in range(0, len(digests), 8)]
    body = struct.pack("<I", len(lists))
    for one in lists:
        body += struct.pack("<I", len(one))
        for digest in one:
            body += struct.pack("<H", len(digest)) + digest.ljust(64, b"\0")
        body += bytes(66 * (8 - len(one)))
    return head + body
