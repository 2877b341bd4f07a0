"""Finds the data folders that come with the program: the schema sets and the example configuration.

In an installed package they stand under `gateway/_data/`; in a checkout they are the folders of the project's root.
This is the one file that knows both places.
"""

from pathlib import Path
from typing import Final

__all__ = ["code_list_folder", "config_folder", "schema_folder"]

_PACKAGE: Final = Path(__file__).resolve().parent


def schema_folder() -> Path:
    """Return the folder of the bundled schema sets, one sub-folder a set. Raises FileNotFoundError."""
    return _find("wco_schemas")


def code_list_folder() -> Path:
    """Return the folder of the bundled code lists. Raises FileNotFoundError."""
    return _find("wco_schemas") / "code_lists"


def config_folder() -> Path:
    """Return the folder of the example node, agreements and policies. Raises FileNotFoundError."""
    return _find("config")


def _find(name: str) -> Path:
    # The wheel's place first: an installed package must not pick up a folder that happens to lie beside it.
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"The data folder `{name}` is neither in the package nor beside it; install it again")
