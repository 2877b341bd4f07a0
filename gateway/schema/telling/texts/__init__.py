"""What is said about a breach, by id, one file a language; code holds no sentence of its own.

`en.toml` is the whole list; another language is another file with the same ids, and an id that it lacks is said in
English. Sections: `message` and `fix` by breach, `expected` for the pieces that say what would be right, `word` for the
small words between them. `{names}` are filled in; what counts (`count`) may have a text for `one` and one for `other`.

The files are part of the program and are read once, when it starts: a refusal opens no file.
"""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

__all__ = ["ENGLISH", "LANGUAGES", "Texts", "choose", "texts_in"]


class Texts:
    """The texts of one language. Calling it with an id returns the text, its `{names}` filled in."""

    __slots__ = ("_fallback", "_texts", "language")

    def __init__(self, language: str, texts: Mapping[str, str], fallback: Mapping[str, str] | None = None) -> None:
        self.language: Final = language
        self._texts = texts
        self._fallback = fallback or {}

    @property
    def ids(self) -> frozenset[str]:
        """Every id that the language itself has."""
        return frozenset(self._texts)

    def raw(self, text_id: str) -> str:
        """Return a text with its `{names}` left open. Raises KeyError for an id that English does not have."""
        own = self._texts.get(text_id)
        return own if own is not None else self._fallback[text_id]

    def __call__(self, text_id: str, **values: object) -> str:
        """Return a text, filled in; by `count` the one for one thing or for several, where there are two."""
        form = f"{text_id}.{'one' if values.get('count') == 1 else 'other'}"
        text = self.raw(form if form in self._texts or form in self._fallback else text_id)
        return text.format(**values)

    def listed(self, names: Iterable[str], most: int = 6) -> str:
        """Return names as a choice, `A, B or C`; of more than `most` the first ones."""
        words = list(names)
        if len(words) > most:
            return ", ".join(words[:most]) + ", …"
        return f" {self('word.or')} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def texts_in(language: str) -> Texts:
    """Return the texts of a language; English where there are none in it."""
    return LANGUAGES.get(language, ENGLISH)


def choose(preferred: Iterable[str]) -> str:
    """Return the first language there is of some language tags (RFC 5646), best first; `en` if there is none of them.

    A tag with a region, such as `en-GB`, is served by its language.
    """
    for tag in preferred:
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return ENGLISH.language


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _load() -> dict[str, Texts]:
    tables = {
        entry.name.removesuffix(".toml"): _flat(tomllib.loads(entry.read_text("utf-8")))
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".toml")
    }
    return {language: Texts(language, texts, tables["en"]) for language, texts in tables.items()}


LANGUAGES: Final[Mapping[str, Texts]] = _load()
ENGLISH: Final = LANGUAGES["en"]
