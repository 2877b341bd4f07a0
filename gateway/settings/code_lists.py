"""Reads code lists from folders: the bundled ones, and beside them those of an administration."""

from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError, Finding
from gateway.schema import CodeCatalogue, join_catalogues, read_catalogue

__all__ = ["load_code_lists"]

# The largest list there is to bind, ISO 3166-2, is a quarter of a megabyte.
_MOST_BYTES: Final = 16 * 1024 * 1024


def load_code_lists(*folders: Path) -> CodeCatalogue:
    """Return the lists of all folders as one catalogue.

    Raises ConfigurationError `codelist.broken` with everything that is wrong, or `config.invalid` for a folder that
    can not be read.
    """
    return join_catalogues(read_catalogue(_files(folder), str(folder)) for folder in folders)


def _files(folder: Path) -> dict[str, bytes]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".toml"))
        if sum(path.stat().st_size for path in paths) > _MOST_BYTES:
            raise _refusal(folder, "holds more than code lists can", "Name a folder with code lists alone")
        return {path.name: path.read_bytes() for path in paths}
    except OSError as error:
        raise _refusal(folder, f"can not be read: {error.strerror}", "Name a folder that can be read") from None


def _refusal(folder: Path, problem: str, fix: str) -> ConfigurationError:
    return ConfigurationError("config.invalid", findings=(Finding(file=str(folder), problem=problem, fix=fix),))
