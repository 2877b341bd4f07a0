"""How a refusal is to be told to whoever handed the document in. It changes no verdict and is never stored."""

from dataclasses import dataclass
from typing import Final

__all__ = ["PLAIN", "Telling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The wishes of a submitter. `language`: of the texts, such as `en`; one that is not there falls back to English.

    `values`: show the submitter's own values beside what is wrong with them. Only who handed the document in may ask.
    """

    language: str = "en"
    values: bool = False


PLAIN: Final = Telling()
"""English, and no value of the document."""
