"""Each kind of mutation has its golden explanation, and two processors agree on the verdict."""

from pathlib import Path

import pytest

from gateway.document import read_root
from gateway.errors import DocumentError
from gateway.schema import compile_set, explain
from tests.unit.schema.foreign_sets import made, xsd
from tests.unit.schema.mutations import CASES, Case, in_lines
from tests.unit.schema.second_opinion import second_verdict
from tests.unit.schema.sets import DATA, LIMITS, SET_IDS, bundled

KINDS = frozenset(
    """add_comment_pi at_max_length bad_currency bad_date bad_format_code bad_function_code blank_value control_like
    drop_attribute drop_body drop_optional drop_required empty_value foreign_element html_in_text letters_in_digits
    metadata_version misspelt moved_up negative_number no_namespace over_digits over_fraction over_length repeat_allowed
    surrounding_space swap_order text_in_class too_many two_bodies unit_overlong unknown_element wrong_attribute
    wrong_namespace wrong_type xsi_nil xsi_type""".split()  # noqa: SIM905  a list of 37 lines says no more
)
SAMPLES = sorted((DATA / "samples").rglob("*.xml"))


def test_every_kind_of_mutation_has_a_case() -> None:
    assert {case.kind for case in CASES} == KINDS
    assert len(KINDS) == 37


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_a_changed_sample_is_explained_as_the_golden_says(case: Case) -> None:
    found = explain("f", case.raw, bundled(case.schema_set), LIMITS)
    assert [in_lines(one) for one in found.violations] == list(case.told)
    assert found.valid is (case.told == ())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_both_processors_agree_on_every_changed_sample(case: Case) -> None:
    root = read_root(case.raw, LIMITS)
    for set_id in SET_IDS:
        compiled = bundled(set_id)
        assert second_verdict(root, compiled) is compiled.accepts(root), set_id


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_both_processors_agree_on_every_sample_under_every_set(path: Path) -> None:
    try:
        root = read_root(path.read_bytes(), LIMITS)
    except DocumentError:
        assert path.parent.name != "valid"
        return
    for set_id in SET_IDS:
        compiled = bundled(set_id)
        assert second_verdict(root, compiled) is compiled.accepts(root), set_id


def test_a_known_difference_is_a_no_break_space_that_the_second_processor_drops() -> None:
    (case,) = (case for case in CASES if case.kind == "control_like")
    root = read_root(case.raw.replace("DPOX\u200b\u00a0".encode(), "DPOX\u00a0".encode()), LIMITS)
    compiled = bundled(case.schema_set)
    assert not compiled.accepts(root)
    assert second_verdict(root, compiled)


@pytest.mark.parametrize("blank", ["\u0085", "\u00a0", "\u2028", "\u3000"])
def test_the_other_known_differences_are_blanks_of_unicode_that_xml_does_not_know(blank: str) -> None:
    token = '<xs:simpleType><xs:restriction base="xs:token"><xs:minLength value="1"/></xs:restriction></xs:simpleType>'
    model = f'<xs:sequence><xs:element name="T">{token}</xs:element></xs:sequence>'
    files = {"e.xsd": xsd("urn:d", f'<xs:element name="R"><xs:complexType>{model}</xs:complexType></xs:element>')}
    compiled = compile_set(made(files))
    between = read_root(f'<R xmlns="urn:d">{blank}<T>x</T></R>'.encode(), LIMITS)
    alone = read_root(f'<R xmlns="urn:d"><T>{blank}</T></R>'.encode(), LIMITS)
    assert (compiled.accepts(between), second_verdict(between, compiled)) == (False, True)
    assert (compiled.accepts(alone), second_verdict(alone, compiled)) == (True, False)
