"""The documents that a command is given: single files, and folders with all that lies in them and below.

No more of a file is read than the document door takes and one byte: it says itself that this is too much.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["document_bytes", "document_files"]


def document_bytes(file: Path) -> bytes:
    """Return what a document file holds, cut off where it is larger than any document may be. Raises OSError."""
    from gateway.domain.limits import DocumentLimits
    from gateway.settings import plain_bytes

    return plain_bytes(file, DocumentLimits().size_bytes + 1)


def document_files(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each document once, with the name to show: files as they were named, of folders every `*.xml` at any depth,
    named from that folder on (and with it, where there are several paths)."""
    seen: set[Path] = set()
    for path in paths:
        for file in _below(path) if path.is_dir() else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield str(file.relative_to(path) if len(paths) == 1 and path.is_dir() else file), file


def _below(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.suffix.lower() == ".xml" and not one.is_dir())
