"""The webhook body is the same bytes every time, and holds the terms beside the document."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.endpoint import Endpoint
from gateway.channels.webhook import WebhookBackend, webhook_body
from gateway.errors import ConfigurationError
from tests.unit.channels.samples import SECRET, inbox_row
from tests.unit.channels.scripted import FixedClock

ENDPOINT = Endpoint(url="http://127.0.0.1:9/hook", insecure_plain_http=True)


@given(st.binary())
def test_the_document_comes_back_byte_for_byte(view: bytes) -> None:
    data = json.loads(webhook_body(inbox_row(), view))["data"]
    assert base64.b64decode(data["document"], validate=True) == view


def test_the_body_does_not_change_between_attempts() -> None:
    assert webhook_body(inbox_row(attempts=0), b"<a/>") == webhook_body(inbox_row(attempts=7), b"<a/>")


def test_the_terms_of_use_stand_beside_the_document() -> None:
    body = webhook_body(inbox_row(), b"<a/>")
    assert body.isascii()
    assert json.loads(body) == {
        "type": "message.received",
        "timestamp": "2026-03-01T11:59:58.250000Z",
        "data": {
            "message_id": "0195c7a0-0000-7000-8000-000000000001",
            "conversation": "7d1f4c3e-0000-4000-8000-000000000002",
            "sequence": 3,
            "in_reply_to": None,
            "sender": "GB-HMRC",
            "recipient": "NL-DUANE",
            "kind": "declaration",
            "agreement": {"id": "gb-nl", "version": 2, "sha256": "ab" * 32},
            "legal_basis": "Art. 12 – «mutual» assistance",
            "purpose": "risk",
            "onward_use": "none",
            "retention_days": 90,
            "policy_sha256": "ef" * 32,
            "over_shared": [],
            "digest": "cd" * 32,
            "received": "2026-03-01T11:59:58.250000Z",
            "media_type": "application/xml",
            "document": "PGEvPg==",
        },
    }


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        "whsec_c2hvcnQ=",
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SECRET + "!",
        SECRET.rstrip("="),
    ],
)
def test_a_secret_that_is_weak_or_not_of_the_format_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WebhookBackend(ENDPOINT, secrets=(secret,), clock=FixedClock())
    assert secret == "" or secret == "whsec_" or secret not in str(caught.value)


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        WebhookBackend(ENDPOINT, secrets=(), clock=FixedClock())
