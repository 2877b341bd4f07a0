"""The name by which an envelope is answered is read from its header, and from nothing else."""

import json

import pytest

from gateway.envelope import claimed_message_id
from gateway.envelope.compact import encode

ID = "0195abcd-0000-7000-8000-000000000001"


def jwe(header: object, rest: str = ".a.b.c.d") -> str:
    return encode(json.dumps(header).encode()).decode() + rest


def test_the_id_of_the_outer_header_is_read_whatever_the_rest_is() -> None:
    assert claimed_message_id(jwe({"wcx": {"id": ID}})) == ID
    assert claimed_message_id(jwe({"alg": "none", "wcx": {"id": ID, "from": 7}}, rest="")) == ID


@pytest.mark.parametrize(
    "envelope",
    [
        "",
        "...",
        "no envelope",
        "\xff.a.b.c.d",
        "e30=.a.b.c.d",
        jwe([]),
        jwe({}),
        jwe({"wcx": ID}),
        jwe({"wcx": {"id": 7}}),
        jwe({"wcx": {"id": "../" + ID}}),
        jwe({"wcx": {"id": ID.upper()}}),
        jwe({"wcx": {"id": "0a000000-0000-4000-8000-000000000001"}}),
        jwe({"wcx": {"id": ID}, "more": "x" * 9000}),
    ],
)
def test_where_no_id_can_be_read_there_is_none(envelope: str) -> None:
    assert claimed_message_id(envelope) is None
