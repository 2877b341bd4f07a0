"""An independent judge of what left for a partner. Slow, simple, and without a line of the gateway's own code.

It reads bytes: the original document, the policy file as YAML, the view, and the two protected headers as JSON. It
works out by itself what the view must be, compares, and then looks at the bytes for what a tree does not show. It
answers with complaints in words; none means that everything the policy keeps is there and nothing else is.

Parsers: expat and ruamel.yaml. The rules it follows are those of docs/policy.md, written down a second time.
"""

import base64
import hashlib
import json
import re
import xml.parsers.expat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from ruamel.yaml import YAML

from tests.oracle.xsd_paths import Place

XSI = "http://www.w3.org/2001/XMLSchema-instance"
Name = tuple[str, str]


@dataclass
class Element:
    """One element as expat tells it. `strays` are texts between child elements, blank or not."""

    name: Name
    path: str
    attributes: list[tuple[Name, str]]
    children: list["Element"] = field(default_factory=list)
    text: str = ""
    strays: list[str] = field(default_factory=list)


@dataclass
class Parsed:
    """A document with what stands around its elements."""

    root: Element
    comments: list[str]
    instructions: list[str]
    namespaces: list[tuple[str, str]]


@dataclass
class Rule:
    """One line of a policy."""

    keep: bool
    path: str
    attributes: list[str] | str


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def parse(raw: bytes) -> Parsed:
    """Return the document in `raw`."""
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.ordered_attributes = True
    parser.buffer_text = True
    stack: list[Element] = []
    pieces: list[list[str]] = []
    roots: list[Element] = []
    comments: list[str] = []
    instructions: list[str] = []
    namespaces: list[tuple[str, str]] = []

    def start(name: str, pairs: list[str]) -> None:
        parent = stack[-1] if stack else None
        attributes = [(split(key), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
        element = Element(split(name), path_of(parent, split(name)), attributes)
        if parent is None:
            roots.append(element)
        else:
            parent.children.append(element)
        stack.append(element)
        pieces.append([])

    def end(_: str) -> None:
        element = stack.pop()
        element.text = "".join(pieces.pop())

    def characters(text: str) -> None:
        pieces[-1].append(text)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.CommentHandler = comments.append
    parser.ProcessingInstructionHandler = lambda target, data: instructions.append(f"{target} {data}")
    parser.StartNamespaceDeclHandler = lambda prefix, uri: namespaces.append((prefix or "", uri))
    parser.Parse(raw, True)
    for element in walk(roots[0]):
        if element.children and element.text:
            element.strays.append(element.text)
            element.text = ""
    return Parsed(roots[0], comments, instructions, namespaces)


def split(name: str) -> Name:
    """Return (namespace, local name)."""
    namespace, _, local = name.rpartition(" ")
    return namespace, local


def path_of(parent: Element | None, name: Name) -> str:
    """Return the path of a child. A bare body is what stands below MetaData otherwise."""
    if parent is None:
        return f"/{name[1]}" if name[1] == "MetaData" else f"/MetaData/{name[1]}"
    foreign = parent.name[0].endswith("RES-DMS:2") and name[0].endswith("DEC-DMS:2")
    return f"{parent.path}/{'dec:' if foreign else ''}{name[1]}"


def walk(element: Element) -> Iterator[Element]:
    """Return the element and everything below."""
    yield element
    for child in element.children:
        yield from walk(child)


def read_rules(policy: bytes) -> list[Rule]:
    """Return the rules of a policy file."""
    content = YAML(typ="safe", pure=True).load(BytesIO(policy))
    return [
        Rule("keep" in rule, str(rule.get("keep") or rule.get("drop")), rule.get("attributes", []))
        for rule in content["rules"]
    ]


# ── what the view must be ────────────────────────────────────────────────────────────────────────────────────────


def governing(rules: Sequence[Rule], path: str) -> Rule | None:
    """Return the rule on the longest path that `path` is, or is below."""
    fitting = [rule for rule in rules if path == rule.path or path.startswith(rule.path + "/")]
    return max(fitting, key=lambda rule: len(rule.path), default=None)


def expected(element: Element, rules: Sequence[Rule], places: Mapping[str, Place]) -> Element | None:
    """Return what must be written for `element`, or None."""
    place = places.get(element.path)
    rule = governing(rules, element.path)
    keep = rule is not None and rule.keep
    if place is None or is_nil(element):
        return None
    kept = Element(element.name, element.path, kept_attributes(element, rule, place) if rule and keep else [])
    if place.leaf:
        kept.text = element.text
        return kept if keep else None
    has_content = False
    for child in element.children:
        written = expected(child, rules, places)
        if written is not None:
            has_content = True
            kept.children.append(written)
        elif is_kept_and_required_class(child, rules, places):
            kept.children.append(Element(child.name, child.path, []))
    for path, below in places.items():
        if is_child(path, element.path) and sum(one.path == path for one in kept.children) < below.least:
            return None
    return kept if has_content else None


def is_kept_and_required_class(child: Element, rules: Sequence[Rule], places: Mapping[str, Place]) -> bool:
    """A class that the schema requires, that a rule keeps, and that was empty to begin with is written empty."""
    place, rule = places.get(child.path), governing(rules, child.path)
    empty = not child.children and not is_nil(child)
    return place is not None and not place.leaf and place.least > 0 and rule is not None and rule.keep and empty


def is_child(path: str, of: str) -> bool:
    """Tell whether `path` is one step below `of`."""
    return path.startswith(of + "/") and "/" not in path[len(of) + 1 :]


def is_nil(element: Element) -> bool:
    """Tell whether the element says that it has no value."""
    return any(name == (XSI, "nil") and value.strip() in ("true", "1") for name, value in element.attributes)


def kept_attributes(element: Element, rule: Rule, place: Place) -> list[tuple[Name, str]]:
    """Return the attributes the rule names."""
    if isinstance(rule.attributes, str):
        named = {name for name, required in place.attributes.items() if required}
    else:
        named = set(rule.attributes)
    return [(name, value) for name, value in element.attributes if name[0] == "" and name[1] in named]


# ── the verdict on a view ────────────────────────────────────────────────────────────────────────────────────────


def judge_view(original: bytes, policy: bytes, view: bytes, places: Mapping[str, Place]) -> list[str]:
    """Return what is wrong with a view; an empty list when it is exactly what the policy permits."""
    actual = parse(view)
    must_be = expected(parse(original).root, read_rules(policy), places)
    complaints = list(around(actual))
    if must_be is None:
        return [*complaints, "a view was made although nothing may be written"]
    return [*complaints, *differences(must_be, actual.root)]


def around(view: Parsed) -> Iterator[str]:
    """What a comparison of elements would not see."""
    yield from (f"a comment of {len(text)} characters" for text in view.comments)
    yield from (f"a processing instruction of {len(text)} characters" for text in view.instructions)
    used = {element.name[0] for element in walk(view.root)}
    used |= {name[0] for element in walk(view.root) for name, _ in element.attributes}
    yield from (f"the namespace {uri} is declared and not used" for _, uri in view.namespaces if uri not in used)
    if len(set(view.namespaces)) != len(view.namespaces):
        yield "a namespace is declared twice"
    for element in walk(view.root):
        yield from (f"text between the children of {element.path}" for _ in element.strays)


def differences(must_be: Element, actual: Element) -> Iterator[str]:
    """Compare one element with what it must be, then its children in order."""
    if must_be.name != actual.name:
        yield f"{actual.path} stands where {must_be.path} must stand"
        return
    if sorted(must_be.attributes) != sorted(actual.attributes):
        yield f"the attributes of {actual.path} are others: {[name[1] for name, _ in actual.attributes]}"
    if must_be.text != actual.text:
        yield f"the text of {actual.path} is another"
    have, want = [child.name for child in actual.children], [child.name for child in must_be.children]
    if have != want:
        yield f"the children of {actual.path} are {[name[1] for name in have]}, not {[name[1] for name in want]}"
        return
    for one, other in zip(must_be.children, actual.children, strict=True):
        yield from differences(one, other)


# ── the verdict on the headers ───────────────────────────────────────────────────────────────────────────────────

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
