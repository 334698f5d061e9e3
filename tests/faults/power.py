"""A disk whose power can be cut: ext4 in a file, on a loop device.

The cut is the ioctl that ext4 has for tests: from that moment nothing reaches the disk any
more, not even the journal, and what was not synced is gone with the next mount. A call that
is under way meanwhile may be told that it succeeded, so who writes is stopped first. What the
kernel of the host still holds of the file of the disk is kept: the disk itself is a good one.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.tools import need, need_root

SIZE = 64 * 1024 * 1024
# include/uapi/linux/fs.h, FS_IOC_SHUTDOWN: _IOR('X', 125, __u32); fs/ext4/ext4.h: 2 is
# EXT4_GOING_FLAGS_NOLOGFLUSH.
_SHUTDOWN = 0x8004587D
_KEEP_NOTHING = (2).to_bytes(4, "little")


class PowerDisk:
    """The folder of a mounted disk; `cuts` counts how often its power was cut."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self.cuts = 0
        self._image = image

    def mount(self) -> None:
        # Commit of the journal every 600 s: what is not synced does not get there by itself.
        options = "loop,commit=600"
        command = ("mount", "-t", "ext4", "-o", options, str(self._image), str(self.folder))
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0 and not self.cuts:
            pytest.skip(f"this system mounts no loop device: {ran.stderr.strip()}")
        assert ran.returncode == 0, ran.stderr

    def unmount(self) -> None:
        """As often as needed: a process that was killed lets go of its files a little later."""
        said = ""
        for _ in range(200):
            ran = subprocess.run(
                ("umount", str(self.folder)), capture_output=True, text=True, check=False
            )
            if ran.returncode == 0:
                return
            said = ran.stderr
            time.sleep(0.02)
        raise AssertionError(said)

    def cut(self, writers: Sequence[int]) -> None:
        """Stop the processes that write, cut the power, end them, and mount again."""
        for pid in writers:
            os.kill(pid, signal.SIGSTOP)
        for pid in writers:
            _wait_until_stopped(pid)
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _KEEP_NOTHING)
        finally:
            os.close(handle)
        self.cuts += 1
        with pytest.raises(OSError, match=r"Input/output error"):
            (self.folder / "after").write_bytes(b"x")
        for pid in writers:
            os.kill(pid, signal.SIGKILL)
        self.unmount()
        self.mount()


def _wait_until_stopped(pid: int) -> None:
    """Until every thread stands still: one that is in a sync comes to its end first."""
    until = time.monotonic() + 10
    for task in Path(f"/proc/{pid}/task").iterdir():
        while (task / "stat").read_text().rpartition(")")[2].split()[0] not in "Tt":
            assert time.monotonic() < until, "a writer does not stop"
            time.sleep(0.001)


@contextmanager
def power_disk(folder: Path) -> Generator[PowerDisk]:
    """A new disk, mounted on `folder / "disk"`."""
    need_root()
    mkfs = need("mkfs.ext4")
    image, place = folder / "image", folder / "disk"
    place.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run((mkfs, "-q", str(image)), check=True)
    disk = PowerDisk(image, place)
    disk.mount()
    try:
        yield disk
    finally:
        with suppress(AssertionError):
            disk.unmount()
