"""The floor does the work it claims to do: over the same declaration it makes the same view as the gateway."""

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag

from gateway.document import read
from gateway.domain.limits import DocumentLimits
from tests.benchmarks.floor import BATCH, Floor, Form, batches, declaration, declarations, run
from tests.unit.policy.rules import apply, example


@pytest.fixture(scope="module")
def floor() -> Floor:
    return Floor()


def view_of(floor: Floor, raw: bytes) -> bytes:
    root = floor.parse(raw)
    floor.cut(root)
    return floor.serialise(root)


def contents(xml: bytes) -> list[tuple[object, dict[str, object], str]]:
    """What a document says, however it is written: names, attributes and texts in order."""
    root = read(xml, DocumentLimits()).root
    return [
        (one.tag, {str(name): value for name, value in one.items()}, (one.text or "").strip()) for one in root.iter()
    ]


def test_the_declaration_is_of_the_size_that_figures_are_told_for() -> None:
    raw = declaration("mark")
    assert (len(contents(raw)), 10_000 < len(raw) < 10_500) == (209, True)


def test_the_floor_makes_the_same_view_as_the_gateway(floor: Floor) -> None:
    raw = declaration("mark")
    theirs = apply(raw, example("customs-cooperation")).xml
    assert contents(view_of(floor, raw)) == contents(theirs)
    assert len(contents(raw)) > len(contents(theirs))


def test_declarations_share_no_reference() -> None:
    raws = declarations("run", 3)
    assert len(set(raws)) == 3
    assert all(raw.count(f"run-{number:06d}".encode()) == 3 for number, raw in enumerate(raws))


def test_a_batch_is_a_whole_number_of_messages_and_none_is_left_out() -> None:
    raws = declarations("run", BATCH + 1)
    assert [len(batch) for batch in batches(raws)] == [BATCH, 1]


@pytest.mark.parametrize("form", Form)
def test_a_declaration_that_breaks_the_schema_does_not_come_through(floor: Floor, form: Form) -> None:
    good, bad = declarations("run", 2)
    run(floor, form, [good])
    with pytest.raises(ValueError, match="not valid"):
        run(floor, form, [good, bad.replace(b"<FunctionCode>9<", b"<FunctionCode>nine<")])


def test_what_was_changed_on_the_way_is_noticed(floor: Floor) -> None:
    token = floor.sign(view_of(floor, declaration("mark")))
    envelope = floor.encrypt(token)
    assert floor.decrypt(envelope) == token
    assert floor.verify(token).view == view_of(floor, declaration("mark"))
    with pytest.raises(InvalidTag):
        floor.decrypt(changed(envelope))
    with pytest.raises(InvalidSignature):
        floor.verify(changed(token))


def test_a_receipt_for_another_message_does_not_count(floor: Floor) -> None:
    receipt = floor.make_receipt("aa")
    floor.check_receipt(receipt, "aa")
    with pytest.raises(ValueError, match="another message"):
        floor.check_receipt(receipt, "bb")


def changed(token: bytes) -> bytes:
    """Return the token with another character in the middle of what it carries."""
    at = len(token) // 2
    return token[:at] + (b"A" if token[at : at + 1] != b"A" else b"B") + token[at + 1 :]
