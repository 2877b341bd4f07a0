"""Every breach has its texts in every language, every text is said somewhere, and nothing is left open that is not filled."""

import re
import string

import pytest

from gateway.errors import CATALOGUE
from gateway.schema.telling.breach import CODES, FILLS, Breach
from gateway.schema.telling.texts import ENGLISH, LANGUAGES, Texts
from tests.law.source import GATEWAY, ROOT, listed

SOURCES = "\n".join(path.read_text("utf-8") for path in sorted((GATEWAY / "schema").rglob("*.py")))
EXPECTED_FILLS = {"name", "names", "other", "parent", "namespace", "count", "limit", "value"}

every_language = pytest.mark.parametrize("texts", LANGUAGES.values(), ids=lambda texts: texts.language)


def _holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _forms(family: str) -> dict[str, str]:
    """The texts of a family by what stands after its name; the forms for one and for several under the same word."""
    return {one.removeprefix(f"{family}."): ENGLISH.raw(one) for one in ENGLISH.ids if one.startswith(f"{family}.")}


def _word(form: str) -> str:
    return re.sub(r"\.(one|other)$", "", form)


def test_english_is_there() -> None:
    assert LANGUAGES["en"] is ENGLISH


@pytest.mark.parametrize("family", ["message", "fix"])
def test_every_breach_has_its_text_and_there_is_no_other(family: str) -> None:
    there = {_word(form) for form in _forms(family)}
    assert there - set(Breach) == {
        *(
            "unexpected_here",
            "unexpected_now",
            "missing_one_of",
            "missing_unnamed",
            "text_not_allowed_empty",
            "bad_value_fixed",
        ),
    }
    assert set(Breach) <= there


@pytest.mark.parametrize("family", ["message", "fix"])
def test_no_text_of_a_breach_leaves_open_what_is_not_filled_in(family: str) -> None:
    for form, text in _forms(family).items():
        word = _word(form)
        kind = next(one for one in sorted(Breach, key=len, reverse=True) if word == one or word.startswith(f"{one}_"))
        assert _holes(text) <= FILLS[kind], form


def test_what_is_expected_leaves_open_only_words_that_there_are() -> None:
    for form, text in _forms("expected").items():
        assert _holes(text) <= EXPECTED_FILLS, form


def test_every_text_is_said_somewhere() -> None:
    others = {one for one in ENGLISH.ids if one.split(".")[0] not in {"message", "fix"}}
    words = {_word(one).partition(".")[2] for one in others}
    # An id may be put together: `value.` and `values_` stand before the word, or what stands in braces does.
    asked = {word: word.removeprefix("values_") for word in words}
    spare = sorted(word for word, end in asked.items() if not re.search(rf"""['".}}]{end}['"]""", SOURCES))
    assert not spare, listed(spare)


@every_language
def test_a_language_has_no_text_that_english_has_not_and_fills_in_the_same_words(texts: Texts) -> None:
    assert texts.ids <= ENGLISH.ids
    different = sorted(
        one for one in texts.ids if _holes(texts.raw(one)) - {"count"} != _holes(ENGLISH.raw(one)) - {"count"}
    )
    assert not different, listed(different)


def test_every_breach_has_a_code_and_every_code_of_a_violation_is_documented() -> None:
    assert set(CODES) == set(Breach) == set(FILLS)
    page = (ROOT / "docs" / "validation.md").read_text("utf-8")
    assert [code for code in set(CODES.values()) if f"`{code}`" not in page] == []
    assert {code for code in CODES.values() if code.startswith("document.")} <= set(CATALOGUE)


def test_every_breach_is_in_the_docs_with_its_code_and_in_a_test() -> None:
    page = (ROOT / "docs" / "validation.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|", page, flags=re.MULTILINE))
    assert rows == {str(kind): code for kind, code in CODES.items()}
    tests = "\n".join(
        path.read_text("utf-8")
        for path in (ROOT / "tests" / "unit" / "schema").rglob("*.*")
        if path.suffix in {".py", ".toml"}
    )
    unseen = sorted(kind for kind in Breach if f'"{kind}"' not in tests)
    assert not unseen, listed(unseen)
