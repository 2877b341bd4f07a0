"""The error catalogue and the classes that carry its codes."""

import pickle
import re
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    CATALOGUE,
    AccessError,
    AgreementError,
    ChannelError,
    ConfigurationError,
    DocumentError,
    EnvelopeError,
    ErrorCode,
    Finding,
    GatewayError,
    LocalError,
    PeerError,
    PolicyError,
    RequestError,
    SchemaError,
    StorageError,
    TransferError,
    TrustError,
    Violation,
)

EXAMPLES: dict[type[GatewayError], str] = {
    AccessError: "access.forbidden",
    AgreementError: "agreement.none",
    ChannelError: "channel.timeout",
    ConfigurationError: "config.invalid",
    DocumentError: "document.empty",
    EnvelopeError: "envelope.expired",
    GatewayError: "internal",
    LocalError: "capacity.exhausted",
    PeerError: "receipt.not_bound",
    PolicyError: "policy.view_invalid",
    RequestError: "request.malformed",
    SchemaError: "schema.invalid",
    StorageError: "storage.locked",
    TransferError: "transfer.stale",
    TrustError: "trust.key_exposed",
}
FINDINGS = (
    Finding(file="node.toml", line=3, key="listen.port", problem="is no number", fix="Write a port from 1 to 65535"),
    Finding(file="gb-fr.yaml", problem="does not exist", fix="Create it"),
)
VIOLATIONS = (
    Violation(
        code="schema.facet",
        rule="too_long",
        path="/Declaration/ID",
        line=7,
        wco_id="D014",
        wco_name="Declaration/ID",
        message="is too long",
        expected="at most 22 characters",
        fix="Shorten it",
    ),
)

every_class = pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
every_entry = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.code)


def _descendants(kind: type[GatewayError]) -> set[type[GatewayError]]:
    below = {one for one in kind.__subclasses__() if one.__module__ == "gateway.errors"}
    return below.union(*map(_descendants, below)) if below else below


def test_the_examples_cover_every_class() -> None:
    assert set(EXAMPLES) == {GatewayError} | _descendants(GatewayError)


@every_class
def test_a_class_is_ours_or_theirs_and_never_both(kind: type[GatewayError]) -> None:
    if kind is not GatewayError:
        assert issubclass(kind, LocalError) != issubclass(kind, PeerError)


@every_class
def test_an_error_survives_the_process_boundary(kind: type[GatewayError]) -> None:
    extra: dict[str, Any] = {}
    if kind is ConfigurationError:
        extra["findings"] = FINDINGS
    if kind is SchemaError:
        extra["violations"] = VIOLATIONS
    before = kind(EXAMPLES[kind], "what happened", facts={"state": "QUEUED", "attempt": 3}, **extra)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert (after.code, after.detail, str(after)) == (before.code, before.detail, str(before))
    assert after.entry == before.entry
    assert dict(after.facts) == {"state": "QUEUED", "attempt": 3}
    assert {name: getattr(after, name) for name in extra} == extra
    assert pickle.loads(pickle.dumps(after)).detail == before.detail


def test_a_configuration_error_without_words_lists_its_findings() -> None:
    error = ConfigurationError("config.invalid", findings=FINDINGS)
    assert error.detail == (
        "node.toml:3 [listen.port]: is no number. Write a port from 1 to 65535; gb-fr.yaml: does not exist. Create it"
    )
    assert pickle.loads(pickle.dumps(error)).findings == FINDINGS


def test_an_error_without_words_says_its_title() -> None:
    error = DocumentError("document.empty")
    assert error.detail == "The document is empty"
    assert str(error) == "document.empty: The document is empty"
    assert error.args == ("document.empty", "The document is empty")


def test_an_error_answers_from_its_catalogue_entry() -> None:
    error = EnvelopeError("envelope.signature_invalid")
    assert error.code == "envelope.signature_invalid"
    assert error.public_code == "envelope.rejected"
    assert error.retryable is False
    assert EnvelopeError("envelope.key_unknown").retryable is True


@given(st.text())
def test_a_code_outside_the_catalogue_can_not_be_raised(code: str) -> None:
    if code not in CATALOGUE:
        with pytest.raises(KeyError):
            GatewayError(code)


def test_facts_are_a_copy_that_nobody_changes() -> None:
    given_facts = {"state": "QUEUED"}
    error = TransferError("transfer.stale", facts=given_facts)
    given_facts["state"] = "HELD"
    assert dict(error.facts) == {"state": "QUEUED"}
    with pytest.raises(TypeError):
        error.facts["state"] = "HELD"  # type: ignore[index]  # the point of the test


@every_entry
def test_an_entry_is_well_formed(entry: ErrorCode) -> None:
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", entry.code)
    assert 400 <= entry.status < 600
    assert entry.title == entry.title.strip()
    assert entry.title[0].isupper()
    assert not entry.title.endswith(".")


@every_entry
def test_what_a_partner_sees_reveals_no_more_than_the_entry(entry: ErrorCode) -> None:
    shown = {entry.code, "envelope.rejected", "internal", "unavailable", "busy"}
    assert entry.public_code in shown
    if entry.status == 500:
        assert entry.public_code == "internal"


def test_every_failure_of_the_cryptography_looks_the_same_from_outside() -> None:
    telling = {"envelope.key_unknown", "envelope.expired", "envelope.created_in_future", "envelope.header_disagrees"}
    seen = {entry.public_code for code, entry in CATALOGUE.items() if code.startswith("envelope.")}
    assert seen == {"envelope.rejected"} | telling


def test_the_catalogue_can_not_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["new"] = CATALOGUE["internal"]  # type: ignore[index]  # the point of the test
    with pytest.raises(FrozenInstanceError):
        CATALOGUE["internal"].title = "x"  # type: ignore[misc]  # the point of the test


def test_a_finding_names_file_line_key_problem_and_mend() -> None:
    assert str(FINDINGS[0]) == "node.toml:3 [listen.port]: is no number. Write a port from 1 to 65535"
    assert str(FINDINGS[1]) == "gb-fr.yaml: does not exist. Create it"


def test_a_violation_is_shown_with_exactly_these_members() -> None:
    assert VIOLATIONS[0].as_json() == {
        "code": "schema.facet",
        "rule": "too_long",
        "path": "/Declaration/ID",
        "line": 7,
        "wco_id": "D014",
        "wco_name": "Declaration/ID",
        "message": "is too long",
        "expected": "at most 22 characters",
        "fix": "Shorten it",
    }


def test_a_violation_shows_a_value_only_where_it_was_given_one_and_never_by_its_repr() -> None:
    asked = replace(VIOLATIONS[0], value="the sender's own")
    assert asked.as_json() == {**VIOLATIONS[0].as_json(), "value": "the sender's own"}
    assert "sender" not in repr(asked)
