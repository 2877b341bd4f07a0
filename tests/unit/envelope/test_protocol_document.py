"""docs/protocol.md says what the program does: its codes, types, members and sizes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain import limits
from gateway.domain.message import MessageKind
from gateway.envelope import PROFILE, StatementType, es256, header, members, protected
from gateway.envelope.compact import MAX_JSON_DEPTH, parse_json, parse_jws
from gateway.envelope.statement import sign_notice, sign_problem, sign_receipt
from gateway.errors import CATALOGUE
from tests.unit.envelope.samples import HEADER, NOTICE, OTHER_ID, PROBLEM, RECEIPT, SOUTH

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
PEER_FAMILIES = {"envelope", "receipt", "notice", "message", "agreement", "policy", "schema", "document"}


def section(number: int) -> str:
    found = re.search(rf"^## {number} .*?(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    return found[0]


def rows(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def family(code: str) -> str:
    return code.partition(".")[0]


def test_every_code_that_a_peer_can_see_is_listed() -> None:
    visible = {entry.public_code for entry in CATALOGUE.values() if family(entry.code) in PEER_FAMILIES}
    assert visible - set(rows(section(12))) == set()


def test_every_listed_code_is_public() -> None:
    listed = rows(section(12))
    assert len(listed) == len(set(listed))
    assert set(listed) <= {entry.public_code for entry in CATALOGUE.values()}


def test_no_private_code_of_an_envelope_is_told() -> None:
    private = {entry.code for entry in CATALOGUE.values() if entry.public_code != entry.code}
    assert [code for code in private if f"`{code}`" in DOCUMENT] == []


def test_the_members_of_the_message_header_are_listed() -> None:
    whole = header.write_header(replace(HEADER, in_reply_to=OTHER_ID, supersedes=OTHER_ID, withheld="ab" * 32))
    table = section(6).partition("Members of `wcx`")[2]
    assert set(rows(table)) == set(whole)
    optional = {row for row in rows(table) if re.search(rf"^\| `{row}` \|[^|]*\*optional\*", table, re.MULTILINE)}
    assert optional == set(whole) - set(header.write_header(HEADER))
    assert all(f"`{kind}`" in table for kind in MessageKind)


def test_the_members_of_the_protected_headers_are_listed() -> None:
    assert set(rows(section(6).partition("Members of `wcx`")[0])) == protected._MESSAGE
    assert set(rows(section(7))) == protected._ENVELOPE
    assert set(rows(section(10).partition("The payload")[0])) == protected._STATEMENT


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("Receipt", sign_receipt(RECEIPT, SOUTH.signer)),
        ("Problem", sign_problem(PROBLEM, SOUTH.signer)),
        ("Notice", sign_notice(NOTICE, SOUTH.signer)),
    ],
    ids=["receipt", "problem", "notice"],
)
def test_the_members_of_these_statements_are_listed(name: str, token: str) -> None:
    claims = parse_json(parse_jws(token, max_bytes=100_000).payload)
    table = section(10).partition(f"**{name}**")[2].partition("\n**")[0]
    assert set(rows(table)) == set(claims) - {"iss", "aud", "iat", "jti"}


@pytest.mark.parametrize(
    "said",
    [
        PROFILE,
        *StatementType,
        protected.MESSAGE_TYPE,
        protected.ENVELOPE_TYPE,
        es256.SIGNATURE_ALGORITHM,
        es256.KEY_ALGORITHM,
        es256.CONTENT_ALGORITHM,
    ],
)
def test_every_type_and_algorithm_is_named(said: str) -> None:
    assert f"`{said}`" in DOCUMENT


def test_the_sizes_and_times_are_those_of_the_program() -> None:
    assert f"over {limits.MAX_PROTECTED_HEADER_BYTES // 1024} KiB" in DOCUMENT
    assert f"more than {MAX_JSON_DEPTH} levels" in DOCUMENT
    assert f"1 to {members.MAX_TEXT_CHARS} characters" in DOCUMENT
    assert f"by {limits.MAX_CLOCK_SKEW.seconds // 60} minutes" in DOCUMENT
    assert f"{limits.DEDUPE_KEPT_AFTER_EXPIRY.days} days beyond `expires`" in DOCUMENT
    assert es256._OTHER_INFO.hex() == "0000000e" + b"ECDH-ES+A256KW".hex() + "00000000" * 2 + "00000100"
    assert limits.max_envelope_bytes(9 * 1024) == 16 * 1024 + 32 * 1024
