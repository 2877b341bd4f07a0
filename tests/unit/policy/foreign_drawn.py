"""Schema sets of another maker, drawn from a seed, with what the bundled ones lack: choices, groups that may be missing or
come again, xs:all, substitution groups, values that may be nil, keys; with documents and policies for them.

A drawn set may be none (two ways to read one document): then the next is drawn.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.policy import Policy, draft_policy
from gateway.schema import CompiledSet, compile_set
from tests.unit.schema.foreign_sets import envelope, made, of_any, xsd

DEC = "urn:example:drawn"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HEAD = "policy: p\nversion: 1\nschema_set: foreign\n"
CODES = {"FunctionCode": "13", "FunctionalReferenceID": "L1", "TypeCode": "INV"}
TYPES = {
    "Text": ('<xs:restriction base="xs:string"><xs:maxLength value="40"/></xs:restriction>', ("x", "some text", "")),
    "Digits": (
        '<xs:restriction base="xs:token"><xs:pattern value="[0-9]{2,12}"/></xs:restriction>',
        ("22", "87032110"),
    ),
    "Day": ('<xs:restriction base="xs:date"/>', ("2026-01-15", "2025-12-31")),
    "Number": ('<xs:restriction base="xs:decimal"/>', ("1", "55.5", "12000")),
    "Either": ('<xs:union memberTypes="xs:int xs:date"/>', ("7", "2026-01-15")),
    "Many": ('<xs:list itemType="xs:int"/>', ("1 2 3", "")),
}


@dataclass
class Element:
    """One element declaration with its bounds; `parts` of a class, `kind` of a leaf."""

    name: str
    least: int
    most: int
    kind: str = ""
    group: "Group | None" = None
    nillable: bool = False
    others: tuple[str, ...] = ()
    identity: str = ""

    def places(self, above: str) -> Iterator[tuple[str, "Element"]]:
        """Yield the paths at and below it."""
        for name in (self.name, *self.others):
            yield f"{above}/{name}", self
        if self.group is not None:
            for one in self.group.elements():
                yield from one.places(f"{above}/{self.name}")


@dataclass
class Group:
    """A group of a content model."""

    word: str
    least: int
    most: int
    parts: list["Element | Group"] = field(default_factory=list)

    def elements(self) -> Iterator[Element]:
        for part in self.parts:
            yield from part.elements() if isinstance(part, Group) else (part,)


class Drawn:
    """One set. `heads`: global elements of substitution groups."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"foreign {seed}")
        self.count = 0
        self.heads: list[str] = []
        inside = [self.element(0) for _ in range(self.chance.randint(1, 4))]
        self.body = Element("Declaration", 1, 1, group=Group("sequence", 1, 1, [*self.codes(), *inside]))

    def codes(self) -> list["Element | Group"]:
        return [Element(name, 1, 1, kind="Text") for name in CODES]

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def bounds(self) -> tuple[int, int]:
        return self.chance.choice(((1, 1), (1, 1), (0, 1), (0, 1), (0, 3), (1, 3), (2, 3)))

    def element(self, depth: int) -> Element:
        self.count += 1
        name, (least, most) = f"E{self.count}", self.bounds()
        if depth < 3 and self.often(0.45):
            found = Element(name, least, most, group=self.group(depth + 1))
            if self.often(0.25):
                self.constrain(found)
            return found
        found = Element(name, least, most, kind=self.chance.choice(list(TYPES)), nillable=self.often(0.08))
        if self.often(0.15):
            found.others = tuple(f"{name}{letter}" for letter in "ab"[: self.chance.randint(1, 2)])
            self.heads.append(self.head(found))
        return found

    def head(self, found: Element) -> str:
        own = f'<xs:element name="{found.name}" type="{found.kind}" nillable="{str(found.nillable).lower()}"/>'
        return own + "".join(
            f'<xs:element name="{one}" type="{found.kind}" substitutionGroup="{found.name}"/>' for one in found.others
        )

    def group(self, depth: int, *, top: bool = True) -> Group:
        word = self.chance.choice(("sequence", "sequence", "choice", "all" if top else "choice"))
        least, most = self.chance.choice(((1, 1), (1, 1), (0, 1), (1, 3), (0, 3)))
        if word == "all":
            parts: list[Element | Group] = [self.element(3) for _ in range(self.chance.randint(1, 4))]
            for part in parts:
                assert isinstance(part, Element)
                part.least, part.most = min(part.least, 1), 1
            return Group(word, min(least, 1), 1, parts)
        found = Group(word, least, most)
        for _ in range(self.chance.randint(1, 4)):
            found.parts.append(self.group(depth, top=False) if self.often(0.25) else self.element(depth))
        return found

    def constrain(self, holder: Element) -> None:
        """Have the children of a class told apart by one of their values."""
        assert holder.group is not None
        for one in holder.group.elements():
            leaves = (
                [] if one.group is None else [leaf for leaf in one.group.elements() if leaf.kind and leaf.most == 1]
            )
            if leaves and not holder.identity:
                leaf = self.chance.choice(leaves)
                leaf.others = ()
                word = self.chance.choice(("unique", "unique", "key"))
                holder.identity = (
                    f'<xs:{word} name="{word}{holder.name}"><xs:selector xpath="d:{one.name}"/>'
                    f'<xs:field xpath="d:{leaf.name}"/></xs:{word}>'
                )

    # ── as XSD ───────────────────────────────────────────────────────────────────────────────────────────────────

    def files(self) -> dict[str, bytes]:
        types = "".join(f'<xs:simpleType name="{name}">{said}</xs:simpleType>' for name, (said, _) in TYPES.items())
        return {
            "in/MetaData.xsd": xsd("urn:example:md", envelope(of_any(DEC))),
            "in/Declaration.xsd": xsd(DEC, types + "".join(self.heads) + self.declared(self.body), f'xmlns:d="{DEC}"'),
        }

    def declared(self, one: Element, bounds: str = "") -> str:
        if one.others:
            return f'<xs:element ref="{one.name}"{bounds}/>'
        nil = ' nillable="true"' if one.nillable else ""
        if one.group is None:
            return f'<xs:element name="{one.name}" type="{one.kind}"{bounds}{nil}/>'
        inside = f"<xs:complexType>{self.grouped(one.group)}</xs:complexType>{one.identity}"
        return f'<xs:element name="{one.name}"{bounds}>{inside}</xs:element>'

    def grouped(self, group: Group) -> str:
        inside = "".join(
            self.grouped(one)
            if isinstance(one, Group)
            else self.declared(one, f' minOccurs="{one.least}" maxOccurs="{one.most}"')
            for one in group.parts
        )
        return f'<xs:{group.word} minOccurs="{group.least}" maxOccurs="{group.most}">{inside}</xs:{group.word}>'

    # ── documents ────────────────────────────────────────────────────────────────────────────────────────────────

    def document(self, number: int) -> bytes:
        chance = random.Random(f"document {number} {self.count}")
        inside = self.written(self.body, chance)
        return f'<m:MetaData xmlns:m="urn:example:md" xmlns="{DEC}" xmlns:xsi="{XSI}">{inside}</m:MetaData>'.encode()

    def written(self, one: Element, chance: random.Random) -> str:
        name = chance.choice((one.name, *one.others))
        if one.group is not None:
            return f"<{name}>{self.filled(one.group, chance)}</{name}>"
        if one.nillable and name == one.name and chance.random() < 0.3:
            return f'<{name} xsi:nil="true"/>'
        value = CODES.get(name) or chance.choice(TYPES[one.kind][1])
        return f"<{name}>{value}</{name}>"

    def filled(self, group: Group, chance: random.Random) -> str:
        found: list[str] = []
        for _ in range(chance.randint(group.least, group.most)):
            chosen = [chance.choice(group.parts)] if group.word == "choice" else list(group.parts)
            if group.word == "all":
                chance.shuffle(chosen)
            for part in chosen:
                if isinstance(part, Group):
                    found.append(self.filled(part, chance))
                else:
                    found += [self.written(part, chance) for _ in range(chance.randint(part.least, part.most))]
        return "".join(found)

    # ── policies ─────────────────────────────────────────────────────────────────────────────────────────────────

    def places(self) -> list[tuple[str, Element]]:
        return list(self.body.places("/MetaData"))

    def policy_text(self, seed: int) -> tuple[str, list[str]]:
        """Return the head of a policy and its rules, one a line."""
        chance = random.Random(f"policy {seed} {self.count}")
        places = self.places()
        rules = [f"keep: [{', '.join(f'/MetaData/Declaration/{name}' for name in CODES)}]"]
        if chance.random() < 0.9:
            rules.append("keep: /MetaData/Declaration")
        for _ in range(chance.randint(1, 6)):
            path, one = chance.choice(places[4:] or places)
            ways = ["drop", "drop", "keep"]
            if one.kind:
                ways += ["generalise", "truncate", "replace", "pseudonymise"]
            way = chance.choice(ways)
            rule = f"{way}: {path}" if chance.random() < 0.8 else f"{way}: //{path.rpartition('/')[2]}"
            if way == "generalise":
                how = {"Day": "to: month", "Number": "bands: [0, 10, 100]", "Digits": "digits: 2"}.get(
                    one.kind, "prefix: 1"
                )
                rule += f", {how}"
            if way == "truncate":
                rule += ", length: 1"
            if way == "replace":
                rule += f', with: "{chance.choice([text for text in TYPES[one.kind][1] if text])}"'
            if chance.random() < 0.2:
                asked = [place for place, other in places if other.kind]
                rule += f", when: {{own: {chance.choice(('x', '22', '7'))}}}"
                self.asked = chance.choice(asked)
                rules.append(f"keep: {self.asked}")
            rules.append(rule)
        head = HEAD
        if any("own:" in one for one in rules):
            head += f"criteria: {{own: {self.asked}}}\n"
        by_path = {one.partition(": ")[2].partition(",")[0] if "when:" not in one else one: one for one in rules}
        return head, list(by_path.values())


@cache
def drawn_set(seed: int) -> tuple[Drawn, CompiledSet] | None:
    """Return the set of a seed, or None when it is none."""
    drawn = Drawn(seed)
    try:
        compiled = compile_set(replace(made(drawn.files(), "in/MetaData.xsd"), kinds=(MessageKind.CANCELLATION,)))
        _ = compiled.tree
    except SchemaError:
        return None
    return drawn, compiled


def written_policy(head: str, rules: list[str]) -> Policy | None:
    """Return the policy with these rules, if it can be read."""
    text = head + "rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)
    found, noted = draft_policy(text.encode(), file="p.yaml")
    return None if noted else found
