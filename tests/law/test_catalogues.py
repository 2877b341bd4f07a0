"""What can be said (codes, events, states) stands in the docs and in a test."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from docs.generate import GROUPS, pages
from gateway.audit import AuditEvent
from gateway.domain.lifecycle import HAND_OVER_TRANSITIONS, TRANSITIONS, mermaid
from gateway.errors import CATALOGUE
from tests.law.source import ROOT, functions, listed, modules

ELSEWHERE = ("tests.law", "tests.unit.test_errors")
"""Tests that walk whole catalogues: a code that stands only there is used by nobody."""


def _test_text() -> str:
    return "\n".join(module.text for module in modules("tests") if not module.within(*ELSEWHERE))


def _doc_text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generated() -> Mapping[Path, str]:
    """The pages that `make docs` writes. Made when a test asks: every test process collects, and one runs this file."""
    return pages()


def test_every_generated_page_is_up_to_date(generated: Mapping[Path, str]) -> None:
    stale = [page.name for page, text in generated.items() if page.read_text(encoding="utf-8") != text]
    assert not stale, "run `make docs`"


def test_no_page_stands_there_of_an_agreement_that_is_gone(generated: Mapping[Path, str]) -> None:
    assert set((ROOT / "docs").glob("policy-coverage-*.md")) <= generated.keys()


def test_every_family_of_errors_is_introduced() -> None:
    assert {code.partition(".")[0] for code in CATALOGUE} == set(GROUPS)


def test_the_diagram_in_the_docs_is_the_lifecycle() -> None:
    assert f"```mermaid\n{mermaid()}\n```" in _doc_text("architecture.md")


def test_every_error_code_is_in_a_test() -> None:
    text = _test_text()
    quoted = {code for code in CATALOGUE if f'"{code}"' in text or f"'{code}'" in text}
    missing = sorted(set(CATALOGUE) - quoted)
    assert not missing, listed(missing)


def test_every_error_code_is_raised_or_said_somewhere() -> None:
    text = "\n".join(module.text for module in modules() if module.name != "gateway.errors")
    missing = sorted(code for code in CATALOGUE if f'"{code}"' not in text)
    assert not missing, listed(missing)


def test_every_code_the_gateway_names_is_in_the_catalogue() -> None:
    families = {code.partition(".")[0] for code in CATALOGUE}
    events = {str(event) for event in AuditEvent}
    raised = re.compile(r"\w+Error\(\s*\"([a-z_]+(?:\.[a-z_]+)?)\"")
    named = {code for module in modules() for code in raised.findall(module.text) if code.partition(".")[0] in families}
    missing = sorted(named - set(CATALOGUE) - events)
    assert not missing, listed(missing)


def test_every_audit_event_is_in_the_docs() -> None:
    page = _doc_text("audit.md")
    missing = [event for event in AuditEvent if f"`{event}`" not in page]
    assert not missing, listed(missing)


def test_every_audit_event_is_in_a_test() -> None:
    text = _test_text()
    missing = [event for event in AuditEvent if not _names(text, event)]
    assert not missing, listed(missing)


def test_every_audit_event_is_written_by_something() -> None:
    text = "\n".join(module.text for module in modules() if not module.within("gateway.audit"))
    assert [event for event in AuditEvent if not _names(text, event)] == []


def _names(text: str, event: AuditEvent) -> bool:
    return f"AuditEvent.{event.name}" in text or f'"{event}"' in text


def test_every_transition_is_in_a_test() -> None:
    text = _test_text()
    pairs = [*TRANSITIONS, *HAND_OVER_TRANSITIONS]
    assert [f"{state} {event}" for state, event in pairs if f'("{state}", "{event}",' not in text] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {
        (page.name, target)
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
        for target in re.findall(
            r"(?:`|^ {4}|=\S+ )make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
    }
    missing = sorted(one for one in named if one[1] not in targets)
    assert not missing, listed(missing)


def test_every_link_between_pages_leads_somewhere() -> None:
    pages_to_read = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, target)
        for page in pages_to_read
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    broken = [f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert not broken, listed(broken)


SPEAKS = re.compile(r"\bassert\b|\braises\b")


def test_every_test_says_something_that_can_fail() -> None:
    bodies = [
        (module, node, "\n".join(module.text.splitlines()[node.lineno : node.end_lineno]))
        for module in modules("tests")
        for node in functions(module.tree)
    ]
    # A test may leave the saying to a function that says it for many.
    speakers = {node.name for _, node, body in bodies if SPEAKS.search(body)}
    by_name = re.compile(rf"\b(?:{'|'.join(sorted(speakers))})\(")
    silent = [
        f"{module.place}:{node.lineno} {node.name}"
        for module, node, body in bodies
        if node.name.startswith("test_") and not SPEAKS.search(body) and not by_name.search(body)
    ]
    assert not silent, listed(silent)
