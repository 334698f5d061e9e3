"""Keeps what is in the memory of this process out of files."""

import ctypes
import logging
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)

log = logging.getLogger("charter")


def leave_no_core() -> None:
    """Have the system write no core file of this process, which would hold keys and tokens,
    nor of those it starts. A limit of the size alone would not hold where cores go to a
    program (core(5)). Others of the same user cannot look into its memory either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("the system may write core files of this process")


def give_back() -> None:
    """Have the C library give the system the memory that this process no longer uses; a start
    takes much that it does not need afterwards. Other libraries than glibc have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
