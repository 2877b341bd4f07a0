"""Documents grown from a schema set are valid, as bare libxml2 says, and use all of it that they can."""

from collections import Counter

import pytest
from lxml import etree

from gateway.document import read
from gateway.schema import validate
from tests.oracle.growing import grow
from tests.unit.policy.grown import NILLABLE, bare_schema, compiled_set, grown_roots, set_places
from tests.unit.schema.sets import LIMITS, SET_IDS

SEEDS = 150


@pytest.mark.parametrize("set_id", [*SET_IDS, NILLABLE])
def test_every_grown_document_is_valid_for_libxml2_and_for_us(set_id: str) -> None:
    schema, places = bare_schema(set_id), set_places(set_id)
    for seed in range(SEEDS):
        raw = grow(places, seed, grown_roots(set_id))
        schema.assertValid(etree.fromstring(raw))
        assert validate(read(raw, LIMITS), compiled_set(set_id)).document.raw == raw


@pytest.mark.parametrize("set_id", SET_IDS)
def test_grown_documents_use_every_place_of_a_set(set_id: str) -> None:
    places = set_places(set_id)
    used = Counter[str]()
    for seed in range(SEEDS * 4):
        root = etree.fromstring(grow(places, seed))
        used.update(_paths(root, ""))
    # Below an element that stands seldom, an optional one may have found no room in so few documents.
    wanted = {path for path in places if path.startswith("/MetaData")}
    assert len(set(used) & wanted) > len(wanted) * 0.95


def _paths(element: etree._Element, above: str) -> list[str]:
    names = etree.QName(element)
    parent = element.getparent()
    foreign = parent is not None and "RES-DMS" in str(parent.tag) and "DEC-DMS" in str(names.namespace)
    path = f"{above}/{'dec:' if foreign else ''}{names.localname}"
    return [path, *(one for child in element.iterchildren(etree.Element) for one in _paths(child, path))]


def test_a_seed_grows_the_same_document_every_time() -> None:
    places = set_places("dms-declaration")
    assert grow(places, 7) == grow(places, 7) != grow(places, 8)


def test_grown_documents_are_awkward_in_every_way() -> None:
    """What these bytes never show, no law over them would ever meet."""
    raw = b"".join(grow(set_places(NILLABLE), seed, grown_roots(NILLABLE)) for seed in range(200))
    for awkward in (b"<!--", b"<?odd", b"<![CDATA[", b"&#x", b"\xef\xbb\xbf<", b":nil=", b"]]&gt;", b"='", b"&apos;"):
        assert awkward in raw, awkward
