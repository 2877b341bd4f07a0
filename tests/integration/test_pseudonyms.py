"""Pseudonyms between two real gateways: an importer is the same within an agreement, another between agreements, and
nobody finds out who it is by trying likely values."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from gateway.bundled import schema_folder
from tests.world import FR, TwoGateways, two_gateways

ARRIVAL_SECONDS = 60.0
IMPORTER = b"XA900000000003"
POLICY = """\
policy: pseudonymous
version: 1
schema_set: dms-declaration
consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}
rules:
  - keep: [/MetaData/Declaration/FunctionCode, /MetaData/Declaration/TypeCode]
    reason: Kind of message
    legal: Article 1
  - keep: /MetaData/Declaration/FunctionalReferenceID
    reason: Reference of the case
    legal: Article 1
  - pseudonymise: //Importer/ID
    reason: Traders are counted, not known
    legal: Article 2
"""
TERMS = """\
version: 1
parties: [GB-HMRC, FR-DGDDI]
valid_from: 2026-01-01
valid_until: 2036-01-01
legal_basis: Article 5
purpose: Statistics
onward_use: None
retention_days: 90
crypto_profile: wcx-es256-1
message_lifetime: 7d
retry: {first_wait: 1s, cap: 2s, deadline: 24h}
flows:
  - from: GB-HMRC
    to: FR-DGDDI
    schema_set: dms-declaration
    policy: ../policies/pseudonymous.yaml
"""


def two_agreements(folder: Path) -> Path:
    """Write an agreement for declarations and another for amendments, both under one policy."""
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "pseudonymous.yaml").write_text(POLICY, encoding="utf-8")
    agreements = folder / "agreements"
    agreements.mkdir()
    for name, kind in (("of-declarations", "declaration"), ("of-amendments", "amendment")):
        text = f"agreement: {name}\n{TERMS}    kinds: [{kind}]\n"
        (agreements / f"{name}.yaml").write_text(text, encoding="utf-8")
    return agreements


async def sent(gateways: TwoGateways, lrn: bytes, code: bytes) -> tuple[str, bytes]:
    """Send a declaration (9) or an amendment (13) of a case; return its conversation and what FR's back end got."""
    document = (schema_folder() / "samples" / "valid" / "import-two-items.xml").read_bytes()
    assert IMPORTER in document
    document = (
        document.replace(b"COCOA-1", lrn)
        .replace(b"SAMPLE-IM-0001", lrn)
        .replace(b">9</FunctionCode>", b">%s</FunctionCode>" % code)
    )
    async with gateways.gb.submissions() as client:
        (transfer,) = (await client.submit(document, to=[FR])).transfers
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while transfer.message_id not in gateways.fr.backend.by_id:  # noqa: ASYNC110 - other processes make it true
            await asyncio.sleep(0.05)
    return transfer.conversation, gateways.fr.backend.by_id[transfer.message_id].document


def importer(view: bytes) -> bytes:
    found = re.search(rb"<dec:Importer><dec:ID>([^<]*)</dec:ID>", view)
    assert found is not None, view
    return found[1]


async def test_two_conversations_that_share_an_importer(tmp_path: Path) -> None:
    agreements = two_agreements(tmp_path / "config")
    async with two_gateways(tmp_path, agreements=agreements) as gateways:
        one, first = await sent(gateways, b"CASE-0001", b"9")
        other, second = await sent(gateways, b"CASE-0002", b"9")
        _, elsewhere = await sent(gateways, b"CASE-0003", b"13")
        assert one != other
        assert importer(first) == importer(second)
        assert importer(first) != importer(elsewhere)
        for view in (first, second, elsewhere):
            assert IMPORTER not in view
            assert re.fullmatch(b"[A-Z2-7]{16}", importer(view))
        tried = {body[:12] for body in guesses()}
        assert base64.b32encode(hashlib.sha256(IMPORTER).digest())[:12] in tried
        # The last four characters are a check over the others.
        assert not {importer(first)[:12], importer(elsewhere)[:12]} & tried
        assert await gateways.gb.audit_is_whole()


def guesses() -> Iterable[bytes]:
    """The 1,000 likeliest importers, the real one among them, hashed as far as anybody gets without the secret."""
    for number in range(1000):
        value = b"XA%012d" % (900000000000 + number)
        keys = (b"of-declarations", b"of-amendments", b"of-declarations|2026-Q4", bytes(32), b"GB-HMRC")
        found = [hashlib.new(name, value).digest() for name in ("sha256", "sha1", "sha512", "sha3_256")]
        found += [hmac.digest(key, text, "sha256") for key in keys for text in (value, b"body\0" + value)]
        for digest in found:
            yield base64.b32encode(digest)[:16]
            yield _in_letters(digest)


def _in_letters(digest: bytes) -> bytes:
    """The way a gateway writes a body, were it not for the key."""
    number, letters = int.from_bytes(digest), bytearray()
    for _ in range(16):
        number, rest = divmod(number, 32)
        letters.append(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[rest])
    return bytes(letters)
