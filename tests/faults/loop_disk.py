"""A disk of a node's own that can lose its power: a file system in a file, on another file system in a file.

What a write-back cache has not yet given to the device is not in the backing file. So a copy of that file, taken while
nothing can write to it (the outer file system is frozen), is what a device without a volatile cache of its own holds if
the power goes in that moment: everything that was synced, and of the rest whatever had got there by then, torn
anywhere. The control run of test_power_cut.py, a node that does not sync its commits, shows that what is not synced is
really lost. Flushes of the device's own cache are beyond it.

Needs root and loop devices: `why_not` tells what is missing.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_FREEZE, _THAW = 0xC0045877, 0xC0045878  # FIFREEZE, FITHAW of linux/fs.h
_MEMORY = Path("/dev/shm")


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")


def _format(image: Path, megabytes: int, *options: str) -> None:
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", *options, image)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[None]:
    """Mount a file system in a file."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "-o", "loop,noatime", image, at)
    try:
        yield
    finally:
        _unmount(at)


def _unmount(at: Path) -> None:
    with suppress(RuntimeError):
        _run("umount", at)
        return
    _run("umount", "--lazy", at)  # whoever still holds a file of it is about to end


@contextmanager
def small_disk(at: Path, *, megabytes: int) -> Iterator[None]:
    """Mount a disk of this size, in memory."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", at)
    try:
        yield
    finally:
        _unmount(at)


class LoopDisk:
    """The disk mounted at `at`, until `close`."""

    def __init__(self, at: Path, *, megabytes: int = 192) -> None:
        self.at = at
        self._folder = Path(tempfile.mkdtemp(prefix="power-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._outer = self._folder / "outer"
        self._cuts = 0
        try:
            _format(self._folder / "outer.img", megabytes * 3, "-O", "^has_journal")
            self._outer.mkdir()
            _run("mount", "-o", "loop,noatime", self._folder / "outer.img", self._outer)
            _format(self._image, megabytes, "-J", "size=8")
            self._mount()
        except BaseException:
            self.close()
            raise

    @property
    def _image(self) -> Path:
        return self._outer / "disk.img"

    def _mount(self) -> None:
        self.at.mkdir(parents=True, exist_ok=True)
        _run("mount", "-o", "loop,noatime", self._image, self.at)

    def cut(self) -> Path:
        """Return an image of what the device holds now. The disk goes on, and never learns of it."""
        self._cuts += 1
        copy = self._folder / f"cut-{self._cuts}.img"
        with _frozen(self._outer):
            _run("cp", "--sparse=always", self._image, copy)
        return copy

    def lose_power(self, image: Path) -> None:
        """Go on from a cut, as after the power came back. Nobody may use the disk meanwhile."""
        _unmount(self.at)
        shutil.copyfile(image, self._image)
        self._mount()

    @contextmanager
    def looked_at(self, image: Path) -> Iterator[Path]:
        """Mount a cut somewhere else, yield where, and throw it away."""
        at = self._folder / image.stem
        with mounted(image, at):
            yield at
        image.unlink()

    def close(self) -> None:
        """Unmount everything and remove the files."""
        for at in (self.at, self._outer):
            if at.is_mount():
                _unmount(at)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _frozen(at: Path) -> Iterator[None]:
    """Let nothing be written to a file system for a moment; whoever wants to write waits."""
    folder = os.open(at, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, _FREEZE, 0)
        try:
            yield
        finally:
            fcntl.ioctl(folder, _THAW, 0)
    finally:
        os.close(folder)


@cache
def why_not() -> str:
    """Return why no disk can be made here, or nothing if one can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = LoopDisk(Path(folder) / "disk", megabytes=64)
        except (OSError, RuntimeError) as error:
            return f"{error} (root, loop devices and mkfs.ext4 are needed)"
        try:
            disk.cut()
        except (OSError, RuntimeError) as error:
            return str(error)
        finally:
            disk.close()
    return ""
