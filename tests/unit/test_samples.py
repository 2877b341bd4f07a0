"""The samples are what their manifest says: valid, of their kind, cut down as counted, refused as foretold."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from gateway.app import Snapshot, lay_desk, rulebook_of
from gateway.demo.layout import copy_agreement, lay_out
from gateway.document import read
from gateway.domain.jobs import PreparedSubmission, RefusedSubmission
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare
from gateway.schema import validate
from gateway.settings import load_configuration
from tests.samples import BY_FILE, CONVERSATION, ENTRIES, FOLDER, REFUSED, SAMPLES, Refused, Sample
from tests.unit.exchange.desks import GB, NOW, prepare_job
from tests.unit.policy.rules import apply, example
from tests.unit.schema.sets import LIMITS, SET_IDS, bundled

POLICY = {
    MessageKind.DECLARATION: "customs-cooperation",
    MessageKind.AMENDMENT: "customs-cooperation",
    MessageKind.ARRIVAL: "customs-cooperation",
    MessageKind.CANCELLATION: "customs-cancellation",
    MessageKind.RESPONSE: "customs-response",
}
MANY_ITEMS = FOLDER.parent / "many_items.py"

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=[one.file for one in SAMPLES])
each_refused = pytest.mark.parametrize("refused", REFUSED, ids=[f"{one.file} to {one.recipient}" for one in REFUSED])


def test_every_sample_is_told_of_and_every_one_told_of_is_there() -> None:
    present = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.xml")}
    assert present == BY_FILE.keys() | {one.file for one in REFUSED}
    assert len(SAMPLES) == len(BY_FILE) >= 24
    assert all(one["shows"] for one in (*ENTRIES["sample"], *ENTRIES["refused"]))


def test_there_is_more_than_one_sample_of_every_kind() -> None:
    kinds = [one.kind for one in SAMPLES]
    assert {kind: kinds.count(kind) > 1 for kind in MessageKind} == dict.fromkeys(MessageKind, True)


@each_sample
def test_a_sample_is_valid_and_of_its_kind(sample: Sample) -> None:
    document = read(sample.raw, LIMITS)
    assert document.kind is sample.kind
    assert sample.file.startswith(("valid/import", "valid/export", "valid/transit", "valid/conversation")) or (
        sample.file.startswith(f"valid/{sample.kind.value}")
    )
    (set_id,) = (one for one in SET_IDS if sample.kind in bundled(one).schema_set.kinds)
    assert validate(document, bundled(set_id)).facts.kind is sample.kind


@each_sample
def test_a_sample_counts_its_items_right(sample: Sample) -> None:
    if sample.kind is not MessageKind.DECLARATION:
        return
    document = read(sample.raw, LIMITS)
    said = document.root.findtext(".//{*}Declaration/{*}GoodsItemQuantity") or document.root.findtext(
        "{*}GoodsItemQuantity"
    )
    assert int(said or 0) == document.facts.item_count


@each_sample
def test_a_sample_leaves_as_the_manifest_counts(sample: Sample) -> None:
    view = apply(sample.raw, example(POLICY[sample.kind]))
    assert (view.kept, view.withheld) == (sample.kept, sample.withheld)
    for word in sample.stays:
        assert word.encode() in sample.raw
        assert word.encode() not in view.xml
    assert len(sample.arrives) == 2
    for word in sample.arrives:
        assert word.encode() in sample.raw
        assert word.encode() in view.xml


def test_an_answer_answers_a_sample_and_goes_back_to_its_sender() -> None:
    answers = [one for one in SAMPLES if one.kind is MessageKind.RESPONSE]
    for answer in answers:
        asked = BY_FILE[answer.answers or ""]
        told, about = read(answer.raw, LIMITS).facts, read(asked.raw, LIMITS).facts
        assert told.lrn == about.lrn, answer.file
        assert (answer.sender, answer.recipient) == (asked.recipient, asked.sender), answer.file


def test_the_messages_of_the_conversation_refer_to_each_other_as_real_ones_do() -> None:
    facts = [read(one.raw, LIMITS).facts for one in CONVERSATION]
    declaration, accepted, amendment, granted, cancellation = facts
    assert [one.kind.value for one in facts] == ["declaration", "response", "amendment", "response", "cancellation"]
    # The declaration has no MRN yet: the acceptance gives it one, and all that follows names it.
    assert declaration.mrn is None
    assert accepted.lrn == declaration.lrn
    assert {accepted.mrn, amendment.mrn, granted.mrn, cancellation.mrn} == {accepted.mrn}
    assert accepted.mrn is not None
    assert amendment.ucr == declaration.ucr
    # An additional message has a reference of its own, which is what its answer names.
    assert len({declaration.lrn, amendment.lrn, cancellation.lrn}) == 3
    assert granted.lrn == amendment.lrn


def test_the_sample_of_many_items_is_what_its_program_writes(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, MANY_ITEMS, "--check"], check=False).returncode == 0
    program = tmp_path / MANY_ITEMS.name
    program.write_bytes(MANY_ITEMS.read_bytes())
    (tmp_path / "samples/valid").mkdir(parents=True)
    assert subprocess.run([sys.executable, program, "--check"], check=False, capture_output=True).returncode == 1
    assert subprocess.run([sys.executable, program], check=True).returncode == 0
    assert (tmp_path / "samples/valid/import-200-items.xml").read_bytes() == BY_FILE["valid/import-200-items.xml"].raw


# ── what must be refused ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def desk_under(agreements: tuple[str, ...]) -> Desk:
    """Return the desk of GB when these are the example agreements it holds."""
    (name,) = agreements
    partner = next(one.recipient for one in REFUSED if one.agreements == agreements and one.recipient != "XC-CUSTOMS")
    folder = Path(mkdtemp(prefix="refused-"))
    world = lay_out(folder, [GB, partner], agreements=copy_agreement(name, folder / "config"), now=NOW)
    configuration = load_configuration(world.nodes[GB].config)
    return lay_desk(Snapshot(generation=1, settings=configuration.node, rulebook=rulebook_of(configuration)))


def test_there_is_a_refusal_for_each_reason() -> None:
    assert {one.why for one in REFUSED} == {"schema", "profile", "agreement", "limits"}


@each_refused
def test_what_must_be_refused_is_refused_with_its_code(refused: Refused) -> None:
    assert refused.sender == GB
    result = prepare(prepare_job(refused.raw, recipients=(refused.recipient,)), desk_under(refused.agreements))
    assert isinstance(result, RefusedSubmission)
    ((party, error),) = result.problems.items()
    assert error.code == refused.code
    assert party == (refused.recipient if refused.why in {"agreement", "profile"} else None)
    violations = error.violations if isinstance(error, SchemaError) else ()
    assert refused.violation in {one.code for one in violations} or not (refused.violation or violations)


def test_what_is_refused_for_its_profile_is_so_for_its_profile_alone() -> None:
    (refused,) = (one for one in REFUSED if one.why == "profile")
    wrong, right = b"<GoodsItemQuantity>3</GoodsItemQuantity>", b"<GoodsItemQuantity>2</GoodsItemQuantity>"
    assert refused.raw.count(wrong) == 1
    mended = refused.raw.replace(wrong, right)
    result = prepare(prepare_job(mended, recipients=(refused.recipient,)), desk_under(refused.agreements))
    assert isinstance(result, PreparedSubmission)
