"""Becomes another program that cannot outlive its parent nor take more than it is given.

Run as a script, by path and without site packages: nothing here may import anything of
ours. It takes the id of the parent, the limits as JSON and the command, and replaces itself
by the command. What it sets stays set: the signal of `prctl(2)` PR_SET_PDEATHSIG survives
`execve(2)` of a program without privileges of its own, and so do limits.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(arguments: list[str]) -> None:
    parent, limits, *command = arguments
    os.umask(0o077)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit("this system cannot end a process with its parent")
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the signal was set
        sys.exit("the parent is gone")
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("900")  # where memory is short, it goes before its parent
    for name, value in json.loads(limits).items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (most, most))
    # Nothing of the environment but what this process was given itself.
    os.execve(command[0], command, dict(os.environ))  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
