"""Every text of the console is asked for somewhere, and every text asked for exists, in every language there is."""

import re

from gateway.audit import AuditEvent
from gateway.audit.events import FACTS
from gateway.domain.hold import HoldCause
from gateway.domain.lifecycle import HandOverState, NoticeState, TransferState
from gateway.domain.message import MessageKind
from gateway.domain.statement import Verdict
from gateway.domain.wording import WordingKind
from gateway.errors import CATALOGUE
from gateway.schema import PrivacyClass
from gateway.web.texts import Texts
from tests.law.source import GATEWAY, listed

ENGLISH = Texts.load("en")
REACH = {"reached", "failing", "alone", "untried"}
ENDS = {"ending", "ended", "future"}
ERRORS = set(CATALOGUE) | {entry.public_code for entry in CATALOGUE.values()}
NOT_SHOWN = {"fence"}
"""A fact that says nothing to a person."""

FAMILIES: dict[str, set[str]] = {
    "state": {str(state) for state in TransferState},
    "meaning": {str(state) for state in TransferState},
    "hand_over": {str(state) for state in HandOverState},
    "hand_meaning": {str(state) for state in HandOverState},
    "hand_next": {str(state) for state in HandOverState},
    "kind": {str(kind) for kind in MessageKind},
    "event": {str(event) for event in AuditEvent},
    "fact": set(FACTS) - NOT_SHOWN,
    "verdict": {str(verdict) for verdict in Verdict},
    "outcome": {"delivered", "refused", "taken", "failed"},
    "reach": REACH,
    "reach_meaning": REACH,
    "key_use": {"sign", "decrypt", "tls"},
    "key_state": {"valid", "revoked", *ENDS},
    "agreement_state": {"in_force", "suspended", *ENDS},
    "privacy": {str(privacy) for privacy in PrivacyClass},
    "privacy_meaning": {str(privacy) for privacy in PrivacyClass},
    "notice": {str(state) for state in NoticeState},
    "done": {"requeue", "cancel", "release", "hold", "skip", "approved", "released", "prepared_again", "acknowledge"},
}
"""Texts that are asked for by what stands after their first word: each family has one for every value, and no other."""

FORMS = ("requeue", "cancel", "hold", "skip", "release", "release_transfer", "acknowledge")

COMPOSED = {
    *(f"next.{state}" for state in TransferState if state is not TransferState.QUEUED),
    *(f"why.behind.{how}" for how in ("moving", "resting")),
    *(f"why.held.{cause}" for cause in HoldCause),
    *(f"history.{kind}" for kind in WordingKind),
    *(f"act.{verb}.{part}" for verb in FORMS for part in ("reason", "button")),
}
"""Other ids that are put together where they are asked for."""


def _named() -> set[str]:
    """Return every word in quotes of the console's code and templates that could be an id."""
    files = [*(GATEWAY / "web").rglob("*.py"), *(GATEWAY / "web" / "templates").glob("*.html")]
    return {word for path in files for word in re.findall(r'"([a-z_]+(?:\.[A-Za-z_]+)*)"', path.read_text("utf-8"))}


def _in_family(text_id: str) -> bool:
    family, _, member = text_id.partition(".")
    return member in FAMILIES.get(family, ())


def test_every_family_has_a_text_for_each_of_its_values_and_no_other() -> None:
    for family, members in FAMILIES.items():
        there = {one.removeprefix(f"{family}.") for one in ENGLISH.ids if one.startswith(f"{family}.")}
        assert there == members, family


def test_every_text_a_template_or_a_handler_asks_for_exists() -> None:
    texts = [path.read_text("utf-8") for path in (GATEWAY / "web").rglob("*") if path.suffix in {".py", ".html"}]
    pattern = re.compile(r'(?:\bt|\bTEXTS|text=|Act\(text=)[(]?"([a-z_]+(?:\.[A-Za-z_]+)*)"(?! ~)')
    asked = {text_id for text in texts for text_id in pattern.findall(text)}
    assert len(asked) > 150
    missing = sorted(asked - ENGLISH.ids)
    assert not missing, listed(missing)


def test_every_text_is_asked_for() -> None:
    named = _named() | COMPOSED
    explained = {one for one in ENGLISH.ids if one.split(".")[0] in {"explain", "explain_hand_over"}}
    spare = sorted(one for one in ENGLISH.ids - explained if one not in named and not _in_family(one))
    assert not spare, listed(spare)


def test_every_explanation_is_about_an_error_code() -> None:
    explained = {one.partition(".")[2] for one in ENGLISH.ids if one.split(".")[0].startswith("explain")}
    assert explained - {"unknown"} - ERRORS == set()


def test_every_language_has_the_same_texts_with_the_same_words_to_fill_in() -> None:
    languages = [path.stem for path in (GATEWAY / "web" / "texts").glob("*.toml")]
    assert "en" in languages
    holes = {text_id: set(re.findall(r"{(\w+)}", ENGLISH(text_id))) for text_id in ENGLISH.ids}
    for language in languages:
        texts = Texts.load(language)
        assert {one: set(re.findall(r"{(\w+)}", texts(one))) for one in texts.ids} == holes, language
