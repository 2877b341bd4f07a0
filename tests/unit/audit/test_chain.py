"""The hash chain: what is hashed, and that the form never changes."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import AuditEntry, AuditEvent, genesis, instant, link
from gateway.audit.chain import canonical, canonical_json

AT = datetime(2026, 3, 1, 9, 30, 0, 250, tzinfo=UTC)


def entry(**changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "event": AuditEvent.TRANSFER_CLAIMED,
        "at": AT,
        "actor": "system",
        "transfer_id": "t-1",
        "message_id": None,
        "facts": {"attempt": 1, "recipient": "FR-DGDDI"},
    }
    return AuditEntry(**{**values, **changes})


def test_the_hash_can_be_made_from_the_documentation_alone() -> None:
    # Written out by hand, as docs/audit.md tells an auditor to; nothing of the room is used for the expected value.
    previous = hashlib.sha256(b"wcx-audit-genesis-1\nGB-HMRC").digest()
    text = (
        '{"actor":"system","at":"2026-03-01T09:30:00.000250Z","chain":"GB-HMRC","event":"transfer.claimed",'
        '"facts":{"attempt":1,"recipient":"FR-DGDDI"},"message_id":null,"seq":1,"transfer_id":"t-1"}'
    )
    expected = hashlib.sha256(b"wcx-audit-record-1\n" + previous + text.encode()).hexdigest()
    record, head = link(genesis("GB-HMRC"), entry())
    assert record.hash == expected
    assert (head.seq, head.hash) == (1, expected)


def test_the_first_record_names_the_genesis_of_its_own_chain() -> None:
    one, _ = link(genesis("one"), entry())
    other, _ = link(genesis("other"), entry())
    assert one.previous != other.previous


def test_canonical_bytes_are_json_with_sorted_members_and_no_spaces() -> None:
    text = canonical("chain", 7, entry(facts={"reason": "été", "code": "a\n\x01"}))
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert "été".encode() in text


def test_a_time_is_written_in_utc_whatever_its_zone() -> None:
    assert instant(AT.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01T09:30:00.000250Z"


@pytest.mark.parametrize("value", [1.5, True, 2**53, None, b"bytes"])
def test_a_fact_without_one_canonical_form_is_refused(value: object) -> None:
    if value is None:
        assert entry(facts={"count": 2**53 - 1}).facts["count"] == 2**53 - 1
        return
    with pytest.raises(ValueError, match="audit fact"):
        entry(facts={"count": value})


def test_a_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        entry(facts={"reason": "\ud800"})


def test_a_fact_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="lrn"):
        entry(facts={"lrn": "x"})


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        entry(at=datetime(2026, 1, 1))  # noqa: DTZ001


@settings(deadline=None)  # other work shares the machine
@given(facts=st.dictionaries(st.text(max_size=8), st.text(max_size=12) | st.integers(-(2**53) + 1, 2**53 - 1)))
def test_the_canonical_form_is_what_the_standard_encoder_writes(facts: dict[str, str | int]) -> None:
    expected = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical_json(facts) == expected
