"""The values of a message are read from its bytes alone; what was invented, altered or moved has no place beside it."""

import pytest

from gateway.demo.documents import load_programme
from gateway.demo.values import Value, side_by_side, unseen, values, with_content
from tests.unit.demo.played import PROGRAMME, view_of
from tests.unit.policy.rules import declaration

WHOLE = load_programme()
HELD = [Value("ID", "1"), Value("@name", "note"), Value("Name", "A"), Value("Name", "B")]


def test_leaves_and_attributes_are_read_in_document_order() -> None:
    raw = declaration('<ID schemeName="s">26XA</ID><!-- note --><GoodsItemQuantity/>').encode()
    assert values(raw)[-3:] == [Value("@schemeName", "s"), Value("ID", "26XA"), Value("GoodsItemQuantity", "")]
    assert Value("GoodsItemQuantity", "") not in with_content(values(raw))


@pytest.mark.parametrize("document", PROGRAMME.documents, ids=lambda one: one.name)
def test_what_is_kept_of_a_sample_has_its_place_and_its_number(document: object) -> None:
    one = WHOLE.named(getattr(document, "name", ""))
    beside, strange = side_by_side(values(one.raw), values(view_of(one)))
    assert strange is None
    assert len(with_content(values(one.raw))) == one.kept + one.withheld
    assert len(with_content(found for found in beside if found is not None)) == one.kept


def test_what_stays_has_nothing_beside_it() -> None:
    assert side_by_side(HELD, [HELD[0], HELD[3]]) == ([HELD[0], None, None, HELD[3]], None)
    assert side_by_side(HELD, []) == ([None] * 4, None)


@pytest.mark.parametrize(
    ("got", "strange"),
    [
        ([Value("ID", "2")], Value("ID", "2")),
        ([Value("Name", "1")], Value("Name", "1")),
        ([HELD[3], HELD[2]], HELD[2]),
        ([HELD[0], HELD[0]], HELD[0]),
    ],
    ids=["altered", "elsewhere", "moved", "doubled"],
)
def test_what_is_not_in_the_original_has_no_place(got: list[Value], strange: Value) -> None:
    assert side_by_side(HELD, got)[1] == strange


def test_what_no_reader_of_values_sees_is_counted() -> None:
    assert unseen(b'<?xml version="1.0"?><a><!-- note --><?route express?><![CDATA[x]]></a>') == 3
    assert unseen(b'<?xml version="1.0"?><a>b</a>') == 0
    shown = WHOLE.named("import-comments-and-free-texts")
    assert unseen(shown.raw) > 0
    assert unseen(view_of(shown)) == 0
