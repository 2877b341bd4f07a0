"""Where `fits` finds nothing, results are valid wherever the value was: tried against the XSD itself, with lxml."""

import random
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from gateway.policy.changing.actions import changed
from gateway.policy.changing.fitting import fits
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.changes import Change, ChangeKind
from gateway.schema.facts.nodes import ValueFacts
from gateway.schema.introspection.value_types import value_facts
from tests.unit.policy.test_actions import BANDS, COUNTRY, MONTH, PSEUDONYM, YEAR, digits, prefix, truncate
from tests.unit.schema.sets import SET_IDS, bundled

KEY = Pseudonyms(key=bytes(range(32)))
XS = "http://www.w3.org/2001/XMLSchema"


def replace(text: str) -> Change:
    return Change(kind=ChangeKind.REPLACE, text=text)


def bands(*bounds: str) -> Change:
    return Change(kind=ChangeKind.BANDS, bands=tuple(map(Decimal, bounds)))


CHANGES = (
    *(YEAR, MONTH, COUNTRY, PSEUDONYM, BANDS, bands("0", "1000"), bands("0.001", "0.5")),
    *(digits(number) for number in (2, 4, 6)),
    *(prefix(number) for number in (1, 2, 3, 5, 9)),
    *(truncate(number) for number in (1, 2, 5, 20, 300)),
    *(replace(text) for text in ("0", "ZZ", "20260101", "XXX", "9", "INV")),
)


def _facets(facts: ValueFacts) -> Iterator[str]:
    lengths = {"minLength": facts.min_length, "maxLength": facts.max_length}
    digit_counts = {"totalDigits": facts.total_digits, "fractionDigits": facts.fraction_digits}
    bounds = {
        "minInclusive": facts.least,
        "maxInclusive": facts.most,
        "minExclusive": facts.above,
        "maxExclusive": facts.below,
    }
    for name, value in {**lengths, **digit_counts, **bounds}.items():
        if value is not None:
            yield f'<xs:{name} value="{value}"/>'
    for value in facts.one_of:
        yield f'<xs:enumeration value="{value}"/>'


def _as_type(facts: ValueFacts) -> str:
    """The type as XSD once more, one step for each pattern, since patterns of different steps must all match."""
    inner = f'<xs:restriction base="xs:{facts.base}">{"".join(_facets(facts))}</xs:restriction>'
    for pattern in facts.patterns:
        escaped = pattern.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        inner = (
            f'<xs:restriction><xs:simpleType>{inner}</xs:simpleType><xs:pattern value="{escaped}"/></xs:restriction>'
        )
    return f'<xs:element name="e"><xs:simpleType>{inner}</xs:simpleType></xs:element>'


@cache
def _schema(facts: ValueFacts) -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(f'<xs:schema xmlns:xs="{XS}">{_as_type(facts)}</xs:schema>'))


def is_valid(value: str, facts: ValueFacts) -> bool:
    element = etree.Element("e")
    try:
        element.text = value
    except ValueError:  # not a character of XML
        return False
    return bool(_schema(facts).validate(element))


def _leaf_types() -> list[ValueFacts]:
    found: dict[ValueFacts, str] = {}
    for set_id in SET_IDS:
        for node in bundled(set_id).tree.nodes.values():
            for facts in (node.value, *(one.value for one in node.attributes.values())):
                if facts is not None:
                    found.setdefault(facts, node.path)
    return list(found)


_ALPHABETS = ("0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcXYZ019 ", "é漢😀 -./&", "ab\t\n ")


def _values(seed: int) -> list[str]:
    """Values of many kinds: dates in each form, codes, amounts, texts with white space in all places."""
    draw = random.Random(seed)
    found = ["", " ", "0", "1", "9", "13", "102", "INV", "true", "FRPAR", "N1 9GU", " a", "a ", "a  b", "20260115Z"]
    for _ in range(8):
        day = f"{draw.randint(2000, 2099)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}"
        time = f"{draw.randint(0, 23):02}{draw.randint(0, 59):02}{draw.randint(0, 59):02}"
        dashed = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        found += [day, f"{day}{time}Z", f"{day}{time}+{draw.randint(0, 14):02}", dashed, f"{dashed}T{time[:2]}:00:00Z"]
        found += [str(draw.randint(0, 10 ** draw.randint(1, 16))), f"{draw.uniform(0, 10**6):.{draw.randint(1, 6)}f}"]
    for _ in range(90):
        letters = draw.choice(_ALPHABETS)
        found.append("".join(draw.choice(letters) for _ in range(draw.randint(1, draw.choice((3, 9, 20, 80, 520))))))
    return found


@pytest.mark.parametrize("facts", _leaf_types(), ids=repr)
def test_what_fits_a_bundled_type_gives_valid_values_only(facts: ValueFacts) -> None:
    values = [value for value in _values(1) if is_valid(value, facts)]
    for change in CHANGES:
        if fits(change, facts) is None:
            results = {changed(change, value, facts, KEY) for value in values} - {None}
            assert all(is_valid(result, facts) for result in results if result is not None), change


def test_every_kind_of_change_fits_some_bundled_type_and_can_be_done_there() -> None:
    """Else the test above would have looked at nothing."""
    facts = ValueFacts(base="string", max_length=70, patterns=(r".*[^\s].*",))
    assert facts in _leaf_types()
    for change in CHANGES:
        fitting = facts if change.kind is not ChangeKind.BANDS else ValueFacts(base="decimal")
        assert fits(change, fitting) is None
        assert any(changed(change, value, fitting, KEY) for value in _values(1) if is_valid(value, fitting)), change


def test_the_facts_that_are_tried_are_those_of_the_files_themselves() -> None:
    """The types above are written out of facts; this holds them against the XSD files, type by type."""
    for set_id in SET_IDS:
        folder = Path(__file__).resolve().parents[3] / "wco_schemas" / set_id
        for file in folder.glob("*.xsd"):
            schema = xmlschema.XMLSchema(str(file), validation="lax")
            own = etree.parse(str(file)).getroot()
            for kind in own.iterfind(f"{{{XS}}}simpleType"):
                facts = value_facts(schema.types[kind.get("name") or ""])
                written = etree.fromstring(
                    f'<xs:schema xmlns:xs="{XS}">{etree.tostring(kind).decode()}'
                    f'<xs:element name="e" type="{kind.get("name")}"/></xs:schema>'
                )
                verdict = etree.XMLSchema(written)
                for value in _values(2)[::4]:
                    element = etree.Element("e")
                    element.text = value
                    assert verdict.validate(element) == is_valid(value, facts), (file.name, kind.get("name"))


_TYPES = [
    ValueFacts(base="string", patterns=(r"[A-Z]{2}\d{12}",)),
    ValueFacts(base="string", patterns=(r"[A-Z]{2}[A-Z0-9]{10,15}",)),
    ValueFacts(base="string", max_length=20, patterns=(r"[a-f0-9]+",)),
    ValueFacts(base="string", patterns=(r"\d{4}-\d\d-\d\d",)),
    ValueFacts(base="string", patterns=(r"\d{6}(0[1-9]|[12]\d|3[01])",)),
    ValueFacts(base="string", patterns=(r"\d{6}15",)),
    ValueFacts(base="string", patterns=(r"\s*[A-Z]{2}\s*",)),
    ValueFacts(base="string", patterns=(r"\s[A-Z]{2}.*",)),
    ValueFacts(base="string", patterns=(r"\S+( \S+)*",)),
    ValueFacts(base="string", min_length=3, max_length=30),
    ValueFacts(base="string", min_length=30, max_length=40),
    ValueFacts(base="token", patterns=(r"[\p{Lu}\d]{1,20}", r".{2,}")),
    ValueFacts(base="token", patterns=(r"[A-Z-[IO]]{17}|[0-9]{20}",)),
    ValueFacts(base="token", one_of=("2026-01-01", "2026-02-01", "FR", "FRPAR", "8703", "870323", "87")),
    ValueFacts(base="normalizedString", max_length=12),
    ValueFacts(base="NMTOKEN"),
    ValueFacts(base="decimal", least="0", most="5000"),
    ValueFacts(base="decimal", above="0", total_digits=4, fraction_digits=2),
    ValueFacts(base="integer", patterns=(r"[1-9]\d*",)),
    ValueFacts(base="positiveInteger"),
    ValueFacts(base="unsignedByte"),
    ValueFacts(base="double"),
    ValueFacts(base="date"),
    ValueFacts(base="dateTime"),
    ValueFacts(base="dateTime", patterns=(r".*Z",)),
    ValueFacts(base="dateTime", patterns=(r".*\+0[1-9]:00",)),
    ValueFacts(base="date", least="2026-01-15"),
    ValueFacts(base="gYearMonth"),
    ValueFacts(base="gYear"),
    ValueFacts(base="time"),
    ValueFacts(base="boolean"),
    ValueFacts(base="language"),
    ValueFacts(base="hexBinary"),
]


@pytest.mark.parametrize("facts", _TYPES, ids=repr)
def test_what_fits_a_type_of_another_set_gives_valid_values_only(facts: ValueFacts) -> None:
    values = [value for value in (*_values(3), *_grown(facts)) if is_valid(value, facts)]
    for change in CHANGES:
        if fits(change, facts) is None:
            for value in values:
                result = changed(change, value, facts, KEY)
                assert result is None or is_valid(result, facts), (change, value)


def _grown(facts: ValueFacts) -> Iterator[str]:
    draw = random.Random(4)
    yield from facts.one_of
    yield from ("GB123456789000", "FR12345678901", "2026-09-15", "20260915", " AB", "AB cd e", "2026-09-15T09:30:42.5Z")
    yield from ("2026-09-15T09:30:42+02:00", "2026-09", "abc123", "x" * 33, "12.34", "255", "true", "ABCDEFGHJKLMNPQRS")
    for _ in range(60):
        yield "".join(draw.choice("AB12 ab-") for _ in range(draw.randint(1, 35)))


UNFIT: list[tuple[Change, ValueFacts, str]] = [
    (
        MONTH,
        ValueFacts(base="string", patterns=(r"\d{6}15",)),
        "the first day does not match the pattern of the type",
    ),
    (
        MONTH,
        ValueFacts(base="string", max_length=4, patterns=("[A-Z]*",)),
        "no date matches the pattern of the type",
    ),
    (
        MONTH,
        ValueFacts(base="date", least="2026-01-15"),
        "the type bounds its dates, and a coarser one may be outside",
    ),
    (MONTH, ValueFacts(base="decimal"), "the type is a number, not a date"),
    (MONTH, ValueFacts(base="time"), "the type is time, not a date"),
    (COUNTRY, ValueFacts(base="string", min_length=5, max_length=5), "the type takes no fewer than 5 characters"),
    (
        COUNTRY,
        ValueFacts(base="string", patterns=("[0-9]*",)),
        "not every text of two capitals matches the pattern of the type",
    ),
    (
        PSEUDONYM,
        ValueFacts(base="string", max_length=11),
        "the type takes at most 11 characters, and a pseudonym has at least 12",
    ),
    (
        PSEUDONYM,
        ValueFacts(base="string", patterns=(r"GB\d{12}",)),
        "no pseudonym of 60 bits has room in the type or matches its pattern",
    ),
    (PSEUDONYM, ValueFacts(base="decimal"), "the type is a number"),
    (PSEUDONYM, ValueFacts(base="token", one_of=("A", "B")), "the type takes only A, B"),
    (digits(6), ValueFacts(base="string", max_length=4), "the type takes at most 4 characters"),
    (
        prefix(5),
        ValueFacts(base="string", max_length=4),
        "the type takes at most 4 characters, so no value has that many",
    ),
    (truncate(2), ValueFacts(base="string", min_length=3), "the type takes no fewer than 3 characters"),
    (
        truncate(2),
        ValueFacts(base="string", patterns=("[A-Z]{3}",)),
        "the first characters of a value do not always match the pattern of the type",
    ),
    (
        bands("0", "2.5"),
        ValueFacts(base="integer"),
        "for the bound 2.5, 2.5 is no whole number, or beyond the bounds of the type",
    ),
    (bands("0"), ValueFacts(base="decimal", above="0"), "for the bound 0, it is beyond the bounds of the type"),
    (
        bands("100000"),
        ValueFacts(base="decimal", total_digits=5),
        "for the bound 100000, the type takes at most 5 digits",
    ),
    (replace(" 0"), ValueFacts(base="token"), "the text has white space that the type does not keep"),
    (replace("ZZ"), ValueFacts(base="token", one_of=("A", "B")), "the type takes only A, B"),
    (replace("x"), ValueFacts(base="hexBinary"), "whether a text is of the type hexBinary is not looked into"),
    (COUNTRY, ValueFacts(base="string", item=ValueFacts(base="token")), "the type is a list of values"),
    (
        COUNTRY,
        ValueFacts(base="string", either=(ValueFacts(base="token"),)),
        "the type takes values of several kinds",
    ),
    (
        COUNTRY,
        ValueFacts(base="string", patterns=(r"\p{IsGreek}*",)),
        "the pattern of the type names a block of characters, so it can not be told",
    ),
    (COUNTRY, ValueFacts(base="date"), "the type is date, not text"),
    (
        truncate(2),
        ValueFacts(base="token", one_of=("FR", "FRPAR", "NLRTM", "GBLHR", "DEHAM", "ITGOA")),
        "the type takes only FR, FRPAR, NLRTM, GBLHR, DEHAM and 1 more",
    ),
    (
        MONTH,
        ValueFacts(base="token", one_of=("A", "B")),
        "the type takes only A, B, and none of them can be changed like this",
    ),
    (bands("0"), ValueFacts(base="date"), "the type is no number"),
    (
        bands("0.5"),
        ValueFacts(base="decimal", fraction_digits=0),
        "for the bound 0.5, the type takes at most 0 digits behind the point",
    ),
    (
        bands("100"),
        ValueFacts(base="string", max_length=2),
        "for the bound 100, the type takes at most 2 characters",
    ),
    (replace("x"), ValueFacts(base="decimal"), "the type is a number"),
    (replace("NaN"), ValueFacts(base="decimal"), "the type is a number"),
    (replace("1E2"), ValueFacts(base="decimal"), "the type takes no exponent"),
    (replace("x"), ValueFacts(base="boolean"), "the type takes only true and false"),
    (replace("x"), ValueFacts(base="date"), "the text is not a date of the type"),
    (replace("x"), ValueFacts(base="string", patterns=("[A-Z]",)), "it does not match the pattern of the type"),
    (replace("x"), ValueFacts(base="string", min_length=2), "the type takes no fewer than 2 characters"),
]
"""A change, a type that it does not fit, and why, as the static check says it."""


@pytest.mark.parametrize(("change", "facts", "said"), UNFIT)
def test_what_does_not_fit_is_said_in_words_of_the_schema(change: Change, facts: ValueFacts, said: str) -> None:
    assert fits(change, facts) == said
