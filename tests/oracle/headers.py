"""What the protected headers of a message may say, judged by themselves: JSON that was read, and the document's bytes."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.oracle.documents import parse, walk

JWS_MEMBERS = {"alg", "kid", "x5t#S256", "typ", "cty", "crit", "wcx"}
JWE_MEMBERS = {"alg", "enc", "kid", "epk", "typ", "cty", "crit", "wcx"}
WCX_REQUIRED = {
    *("v", "id", "from", "to", "kind", "conversation", "sequence", "schema_set", "agreement"),
    *("policy_sha256", "terms", "created", "expires", "nonce"),
}
WCX_OPTIONAL = {"in_reply_to", "supersedes", "withheld"}
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def judge_headers(
    original: bytes, jws: Mapping[str, Any], jwe: Mapping[str, Any], agreed: Mapping[str, Any]
) -> list[str]:
    """Return what is wrong with the protected headers of one message.

    `agreed`: what the agreement says, by member of `wcx`: from, to, kind, schema_set, agreement, policy_sha256, terms.
    Whatever is not agreed must be random, a time or a count, and no value of the document may show in it.
    """
    complaints = [*members(jws, JWS_MEMBERS, set(), "JWS"), *members(jwe, JWE_MEMBERS, set(), "JWE")]
    wcx, outer = jws.get("wcx", {}), jwe.get("wcx", {})
    complaints += [
        *members(wcx, WCX_REQUIRED, WCX_OPTIONAL, "wcx"),
        *members(outer, {"id", "from", "to"}, set(), "JWE wcx"),
    ]
    complaints += [f"wcx.{name} is not what was agreed" for name in agreed if wcx.get(name) != agreed[name]]
    complaints += [
        f"{name} differs inside and outside" for name in ("id", "from", "to") if wcx.get(name) != outer.get(name)
    ]
    complaints += shapes(jws, jwe, wcx)
    free = {name: value for name, value in wcx.items() if name not in agreed}
    outside = [{name: value for name, value in one.items() if name != "wcx"} for one in (jws, jwe)]
    return complaints + leaks(original, [free, *outside])


def members(value: Mapping[str, Any], required: set[str], optional: set[str], name: str) -> Iterator[str]:
    """Missing and additional members."""
    yield from (f"{name} lacks {one}" for one in sorted(required - set(value)))
    yield from (f"{name} has the member {one}" for one in sorted(set(value) - required - optional))


def shapes(jws: Mapping[str, Any], jwe: Mapping[str, Any], wcx: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is not agreed has a shape with no room for words."""
    forms = {
        "id": UUID7,
        "conversation": UUID4,
        "created": TIME,
        "expires": TIME,
        "nonce": re.compile(r"[A-Za-z0-9_-]{22}"),
    }
    forms |= {"in_reply_to": UUID7, "supersedes": UUID7}
    for name, form in forms.items():
        if name in wcx and not form.fullmatch(str(wcx[name])):
            yield f"wcx.{name} has another form"
    if wcx.get("v") != 1 or type(wcx.get("sequence")) is not int:
        yield "wcx.v or wcx.sequence is not the number it must be"
    for name, value in (("JWS kid", jws.get("kid")), ("JWE kid", jwe.get("kid")), ("x5t#S256", jws.get("x5t#S256"))):
        if not THUMBPRINT.fullmatch(str(value)):
            yield f"{name} is not a thumbprint"


def leaks(original: bytes, where: Sequence[Any]) -> list[str]:
    """Return a complaint for each value of the document that shows in `where`, plain or in a simple disguise."""
    root = parse(original).root
    values = {element.text.strip() for element in walk(root) if not element.children}
    values |= {value.strip() for element in walk(root) for _, value in element.attributes}
    text = json.dumps(where, ensure_ascii=False)
    return [
        f"a header member holds a value of the document ({how})"
        for value in sorted(values)
        for how, form in disguises(value)
        if form in text
    ]


def disguises(value: str) -> Iterator[tuple[str, str]]:
    """A value in the forms in which it could stand in a header. Very short ones prove nothing in plain text."""
    if not value:
        return
    raw = value.encode()
    if len(value) >= 6:
        yield "plain", json.dumps(value, ensure_ascii=False)[1:-1]
        yield "hex", raw.hex()
        yield "base64url", base64.urlsafe_b64encode(raw).decode().rstrip("=")
    for name in ("sha256", "sha1", "md5"):
        digest = hashlib.new(name, raw, usedforsecurity=False)
        yield f"{name} hex", digest.hexdigest()
        yield f"{name} base64url", base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
