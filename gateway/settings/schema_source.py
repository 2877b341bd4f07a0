"""Reads what `gateway schema add` is given: a folder or a zip file of XSD files.

Nothing outside is ever opened. A folder's files are read when they are asked for, and a link that leads out of the
folder counts as absent. A zip file is looked through before a byte of it is unpacked: one odd entry refuses all of it
(`schema.archive_refused`), because an archive with one trick is not what an administration published. Nothing is
unpacked to disk.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn, Protocol

from gateway.errors import SchemaError

__all__ = ["ENDING", "SchemaFiles", "open_source"]

ENDING: Final = ".xsd"
# Schemas of one release are a few megabytes; what is larger is something else, or made to exhaust.
MOST_FILES: Final = 2000
MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_ENTRIES: Final = 10_000
_MOST_DECLARED_BYTES: Final = 1024 * 1024 * 1024
# XML shrinks to a tenth or a thirtieth; deflate can reach 1032. Small files may be odd and do no harm.
_MOST_RATIO: Final = 200
_SMALL_BYTES: Final = 1024 * 1024
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# All that a damaged archive makes `zipfile` raise, and an unreadable file the system.
_UNREADABLE: Final = (OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)


class _Source(Protocol):
    """Where files lie: a folder, or an archive."""

    def __contains__(self, path: object) -> bool:
        """Whether there is such a file inside."""
        ...

    def schemas(self) -> list[str]:
        """Return the paths of the `.xsd` files, sorted."""
        ...

    def content(self, path: str, most: int) -> bytes:
        """Return the bytes of a file that is there, at most one more than `most`."""
        ...


class SchemaFiles(Mapping[str, bytes]):
    """Path → bytes of what may belong to a set, read when asked for; iterates over the `.xsd` files alone.

    Looking a file up raises SchemaError when it can not be read or all files together are too large.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._read: dict[str, bytes] = {}
        self._size = 0

    def __getitem__(self, path: str) -> bytes:
        if path not in self._read:
            if path not in self:
                raise KeyError(path)
            try:
                content = self._source.content(path, MOST_BYTES - self._size)
            except _UNREADABLE:
                raise SchemaError("schema.set_broken", f"{path} can not be read") from None
            _check_number(len(self._read) + 1)
            self._size += len(content)
            if self._size > MOST_BYTES:
                raise SchemaError("schema.set_broken", f"the files hold more than {MOST_BYTES >> 20} MiB")
            self._read[path] = content
        return self._read[path]

    def __contains__(self, path: object) -> bool:
        return path in self._source

    def __iter__(self) -> Iterator[str]:
        yield from self._source.schemas()

    def __len__(self) -> int:
        return len(self._source.schemas())


def open_source(path: Path) -> SchemaFiles:
    """Return the files of the folder or zip file at `path`.

    Raises SchemaError `schema.archive_refused` for a zip file with tricks, `schema.set_broken` for anything else.
    """
    try:
        return SchemaFiles(_Folder(path) if path.is_dir() else _Archive(zipfile.ZipFile(path)))
    except _UNREADABLE:
        problem = f"{path.name} is neither a folder nor a zip file that can be read; name the folder of the XSD files"
        raise SchemaError("schema.archive_refused", problem) from None


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._names: list[str] | None = None

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str) or not path or path.startswith("/") or "\0" in path:
            return False
        try:
            real = (self._folder / path).resolve()
            return real.is_relative_to(self._folder) and real.is_file()
        except (OSError, RuntimeError, ValueError):  # a name too long, a folder that is closed, links in a circle
            return False

    def schemas(self) -> list[str]:
        if self._names is None:
            found = (path for path in self._folder.rglob("*") if path.suffix.lower() == ENDING)
            try:
                names = sorted(path.relative_to(self._folder).as_posix() for path in found if path.is_file())
            except OSError:
                problem = "A folder within can not be looked at; give the right to read it, or name another"
                raise SchemaError("schema.set_broken", problem) from None
            _check_number(len(names))
            self._names = [name for name in names if name in self]
        return self._names

    def content(self, path: str, most: int) -> bytes:
        with (self._folder / path).open("rb") as stream:
            return stream.read(most + 1)


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = {one.filename: one for one in _checked(archive.infolist()) if not one.is_dir()}
        self._names = sorted(name for name in self._entries if name.lower().endswith(ENDING))

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def schemas(self) -> list[str]:
        _check_number(len(self._names))
        return self._names

    def content(self, path: str, most: int) -> bytes:
        with self._archive.open(self._entries[path]) as stream:
            return stream.read(most + 1)


def _check_number(files: int) -> None:
    if files > MOST_FILES:
        problem = f"There are more than {MOST_FILES} schema files; name the folder of one release, or a zip file of it"
        raise SchemaError("schema.set_broken", problem)


def _checked(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the entries of an archive if every single one is plain. Raises SchemaError `schema.archive_refused`."""
    if len(entries) > _MOST_ENTRIES:
        _refuse(f"it has more than {_MOST_ENTRIES} entries")
    if sum(entry.file_size for entry in entries) > _MOST_DECLARED_BYTES:
        _refuse("unpacked it would be larger than 1 GiB")
    seen: dict[str, str] = {}
    for entry in entries:
        name = entry.filename
        _check_name(name, entry.orig_filename)
        if entry.compress_type not in _METHODS:
            _refuse(f"{name} is packed by another method than deflate")
        if entry.flag_bits & _ENCRYPTED:
            _refuse(f"{name} is encrypted")
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(f"{name} is a link or a device")
        if entry.file_size > _SMALL_BYTES and entry.file_size > _MOST_RATIO * max(entry.compress_size, 1):
            _refuse(f"{name} would unpack to more than {_MOST_RATIO} times its size")
        other = seen.setdefault(name.rstrip("/").casefold(), name)
        if other is not name:
            what = "is in it twice" if other == name else f"differs from {other} by case only"
            _refuse(f"{name} {what}")
    return entries


def _check_name(name: str, as_stored: str) -> None:
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in as_stored)
    if not as_stored.isprintable():
        _refuse(f"{shown} has a name with control characters")
    if "\\" in as_stored:
        _refuse(f"{shown} has a name with backslashes")
    steps = name.removesuffix("/").split("/")
    if name.startswith("/") or ":" in steps[0]:
        _refuse(f"{shown} has an absolute name")
    if not {"", ".", ".."}.isdisjoint(steps):
        _refuse(f"{shown} has a name that is not a plain path")


def _refuse(problem: str) -> NoReturn:
    raise SchemaError("schema.archive_refused", f"The zip file is refused: {problem}")
