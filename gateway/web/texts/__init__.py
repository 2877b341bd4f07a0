"""The words of the console, by id, one file a language; templates and code hold none of their own.

`en.toml` is the whole list; another language is another file with the same ids. A missing id is an error, so that a
page never shows a blank. Explanations of error codes fall back to the titles of the error catalogue.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from gateway.errors import CATALOGUE

__all__ = ["Texts"]


class Texts:
    """The texts of one language. Calling it with an id returns the text, its `{names}` filled in."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    @classmethod
    def load(cls, language: str) -> "Texts":
        """Return the texts of `language`, for example `en`. Raises FileNotFoundError."""
        content = files("gateway.web.texts").joinpath(f"{language}.toml").read_text("utf-8")
        return cls(dict(_flat(tomllib.loads(content))))

    @property
    def ids(self) -> frozenset[str]:
        """Every id there is."""
        return frozenset(self._texts)

    def __call__(self, text_id: str, **values: object) -> str:
        """Return a text. Raises KeyError for an id that is not in the file."""
        return self._texts[text_id].format(**values) if values else self._texts[text_id]

    def explain(self, code: str, of_hand_over: bool = False) -> str:
        """Return what an error code means in plain words; empty for no code.

        `of_hand_over`: the other side is our own back end, of which some codes tell something else.
        """
        if not code or code == "ok":
            return ""
        own = self._texts.get(f"explain_hand_over.{code}") if of_hand_over else None
        known = own or self._texts.get(f"explain.{code}")
        return known or (CATALOGUE[code].title if code in CATALOGUE else self._texts["explain.unknown"])

    def when(self, at: str | None) -> str:
        """Return an RFC 3339 time in UTC as people read it, to the second."""
        return self._texts["never"] if at is None else f"{at[:10]} {at[11:19]} UTC"


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found
