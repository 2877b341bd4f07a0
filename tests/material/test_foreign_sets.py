"""An official set is taken as it is published, and judges every message as plain lxml does with its files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from gateway.schema import Wish, compile_set, explain, make_set
from gateway.settings import open_source
from tests.material.conftest import Labelled
from tests.unit.schema.sets import LIMITS

# A wrapper written by hand, for plain lxml: what a person would write who knows which body goes with which envelope.
WRAPPER = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">'
    '<xs:include schemaLocation="{}"/><xs:import namespace="{}" schemaLocation="{}"/></xs:schema>'
)
DEC, RES = "urn:wco:datamodel:WCO:DEC-DMS:2", "urn:wco:datamodel:WCO:RES-DMS:2"
DECLARATIONS = frozenset({"declaration", "amendment", "arrival", "amend-other", "dec-other"})
RESPONSES = frozenset({"response", "notification"})
CANCELLATIONS = frozenset({"cancellation"})
CASES = [
    pytest.param("declaration", "_w.xsd", (), DECLARATIONS, (), id="declarations, by their own wrapper"),
    pytest.param("", "declaration/_w.xsd", (), DECLARATIONS, (), id="declarations, from the folder above"),
    pytest.param(
        *("", "declaration/DocumentMetaData_2_DMS.xsd", ("declaration/WCO_DEC_2_DMS.xsd",), DECLARATIONS),
        ("declaration/DocumentMetaData_2_DMS.xsd", DEC, "declaration/WCO_DEC_2_DMS.xsd"),
        id="declarations, without a wrapper",
    ),
    pytest.param(
        *("", "notification/DocumentMetaData_2_DMS.xsd", (), RESPONSES),
        ("notification/DocumentMetaData_2_DMS.xsd", RES, "notification/WCO_RES_2_DMS.xsd"),
        id="notifications, which have no wrapper",
    ),
    pytest.param(
        *("", "declaration/CANCEL_METADATA.xsd", ("declaration/CANCEL.xsd",), CANCELLATIONS),
        ("declaration/CANCEL_METADATA.xsd", DEC, "declaration/CANCEL.xsd"),
        id="cancellations",
    ),
]


@pytest.mark.parametrize(("folder", "entry", "bodies", "kinds", "wrapper"), CASES)
def test_an_older_official_set_gives_the_verdict_of_plain_lxml(
    folder: str,
    entry: str,
    bodies: tuple[str, ...],
    kinds: frozenset[str],
    wrapper: tuple[str, ...],
    *,
    material: Path,
    published: list[Labelled],
    mutants: list[Labelled],
    count: Callable[..., None],
    tmp_path: Path,
) -> None:
    official = material / "wco" / "schema-sets" / "gb-older"
    made = make_set(open_source(official / folder), Wish(set_id="gb-older", entry=entry, bodies=bodies))
    compiled = compile_set(made)
    bare = etree.XMLSchema(etree.parse(str(_place(official / folder, entry, wrapper, tmp_path))))
    messages = [label for label in (*published, *mutants) if label.kind in kinds]
    assert messages
    verdicts = {}
    for label in messages:
        raw = label.path.read_bytes()
        ours = explain(label.path.name, raw, compiled, LIMITS)
        assert ours.valid == _verdict(bare, raw), label.path.name
        assert ours.valid or ours.violations
        verdicts[label.path] = ours.valid
    assert set(verdicts.values()) == {True, False} or kinds == CANCELLATIONS
    name = f"{folder or '.'}/{entry}"
    count(f"messages judged under {name} as by plain lxml", len(verdicts))
    count(f"   of them valid under {name}", sum(verdicts.values()))


def _place(official: Path, entry: str, wrapper: tuple[str, ...], folder: Path) -> Path:
    if not wrapper:
        return official / entry
    envelope, namespace, body = wrapper
    place = folder / "by-hand.xsd"
    place.write_text(WRAPPER.format((official / envelope).as_uri(), namespace, (official / body).as_uri()))
    return place


def _verdict(bare: etree.XMLSchema, raw: bytes) -> bool:
    try:
        return bare.validate(etree.fromstring(raw))
    except etree.XMLSyntaxError:
        return False


def test_every_message_is_judged_by_every_part_as_by_plain_lxml(
    material: Path, published: list[Labelled], mutants: list[Labelled], count: Callable[..., None], tmp_path: Path
) -> None:
    """Messages under a set that is not theirs too: the verdict is plain lxml's whatever the message."""
    official = material / "wco" / "schema-sets" / "gb-older"
    for number, case in enumerate(CASES):
        folder, entry, bodies, _, wrapper = case.values
        made = make_set(open_source(official / str(folder)), Wish(set_id="a", entry=str(entry), bodies=bodies))  # type: ignore[arg-type]
        compiled, place = compile_set(made), tmp_path / str(number)
        place.mkdir()
        bare = etree.XMLSchema(etree.parse(str(_place(official / str(folder), str(entry), wrapper, place))))  # type: ignore[arg-type]
        for label in (*published, *mutants):
            raw = label.path.read_bytes()
            assert explain("f", raw, compiled, LIMITS).valid == _verdict(bare, raw), (case.id, label.path.name)
            count("verdicts of any part on any message as by plain lxml")
