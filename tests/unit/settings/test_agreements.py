"""Agreements and their policies become values with pinned hashes, or every problem at once."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from gateway.bundled import config_folder, schema_folder
from gateway.domain.agreement import OverSharing, PseudonymPeriod
from gateway.domain.ids import AgreementId, PartyId, SchemaSetId
from gateway.domain.message import MessageKind
from gateway.errors import ConfigurationError, Finding
from gateway.settings import Catalogue, load_agreements, load_catalogue
from gateway.settings.agreements import read_agreements

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
RESPONSES = SchemaSetId("dms-response")


@cache
def catalogue() -> Catalogue:
    return load_catalogue(schema_folder())


@pytest.fixture
def agreements(tmp_path: Path) -> Path:
    """A copy of the example agreement between GB and FR, with its policies."""
    shutil.copytree(config_folder() / "policies", tmp_path / "policies")
    (tmp_path / "agreements").mkdir()
    shutil.copy(config_folder() / "agreements" / "gb-fr.yaml", tmp_path / "agreements")
    return tmp_path / "agreements"


Change = Callable[[str, str], None]


@pytest.fixture
def change(agreements: Path) -> Change:
    """Replace a text of the agreement; it must be there."""

    def replace_text(old: str, new: str) -> None:
        file = agreements / "gb-fr.yaml"
        text = file.read_text(encoding="utf-8")
        assert old in text, old
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace_text


def findings_of(folder: Path) -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_agreements([folder], catalogue())
    assert caught.value.code == "config.invalid"
    assert all(one.problem and one.fix and one.file for one in caught.value.findings)
    return caught.value.findings


def test_the_example_agreements_load_with_every_policy() -> None:
    book = load_agreements([config_folder() / "agreements"], catalogue())
    assert {one.id for one in book.agreements} == {"gb-fr", "gb-nl", "gb-no", "gb-ch", "gb-us"}
    for agreement in book.agreements:
        for flow in agreement.flows:
            policy = book.policies[flow.policy_sha256]
            assert policy.schema_set == flow.schema_set
            assert flow.schema_set_sha256 == catalogue()[flow.schema_set].sha256
            assert flow.kinds <= set(catalogue()[flow.schema_set].kinds)


def test_an_agreement_says_what_its_file_says(agreements: Path) -> None:
    (found,) = load_agreements([agreements], catalogue()).agreements
    assert (str(found.id), found.version, found.parties) == ("gb-fr", 1, frozenset({GB, FR}))
    assert found.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert found.message_lifetime == timedelta(days=7)
    assert found.retry.attempts is None
    assert found.terms.retention_days == 1095
    flow = found.flow(GB, FR, MessageKind.ARRIVAL)
    assert flow is not None
    assert flow.policy == "customs-cooperation version 1"
    other = found.flow(GB, FR, MessageKind.CANCELLATION)
    assert other is not None
    assert other.policy == "customs-cancellation version 1"
    assert found.flow(GB, PartyId("NL-DOUANE"), MessageKind.CANCELLATION) is None


def test_layout_place_and_suspension_do_not_change_the_hash(agreements: Path, change: Change, tmp_path: Path) -> None:
    (before,) = load_agreements([agreements], catalogue()).agreements
    change("suspended: false", "suspended: true\n# suspended by the minister")
    change("kinds: [declaration, amendment, arrival]", "kinds: [arrival, declaration, amendment]")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (agreements / "gb-fr.yaml").rename(moved / "other-name.yaml")
    (after,) = load_agreements([moved], catalogue()).agreements
    assert after.suspended
    assert after.sha256 == before.sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 2"),
        ("article 12.12", "article 12.2"),
        ("retention_days: 1095", "retention_days: 1096"),
        ("valid_until: 2036-01-01", "valid_until: 2037-01-01"),
        ("first_wait: 1s", "first_wait: 2s"),
        ("message_lifetime: 7d", "message_lifetime: 8d"),
        ("kinds: [declaration, amendment, arrival]", "kinds: [declaration, amendment]"),
        ("max_document_bytes: 10485760", "max_document_bytes: 10485759"),
        ("suspended: false", "release: four-eyes"),
        ("suspended: false", "pseudonym_period: month"),
        ("suspended: false", "over_shared: accept_and_alarm"),
    ],
)
def test_any_change_of_a_term_changes_the_hash(agreements: Path, change: Change, old: str, new: str) -> None:
    (before,) = load_agreements([agreements], catalogue()).agreements
    change(old, new)
    (after,) = load_agreements([agreements], catalogue()).agreements
    assert after.sha256 != before.sha256


@pytest.mark.parametrize(
    ("said", "officers"), [("suspended: false", 1), ("release: one-officer", 1), ("release: four-eyes", 2)]
)
def test_an_agreement_says_how_many_officers_release(
    agreements: Path, change: Change, said: str, officers: int
) -> None:
    change("suspended: false", said)
    (agreement,) = load_agreements([agreements], catalogue()).agreements
    assert agreement.release_approvals == officers


@pytest.mark.parametrize(
    ("said", "period", "over_shared"),
    [
        ("suspended: false", PseudonymPeriod.QUARTER, OverSharing.REFUSE),
        ("pseudonym_period: none", PseudonymPeriod.NONE, OverSharing.REFUSE),
        ("over_shared: accept_and_alarm", PseudonymPeriod.QUARTER, OverSharing.ACCEPT_AND_ALARM),
    ],
)
def test_an_agreement_says_how_long_pseudonyms_last_and_what_over_sharing_costs(
    agreements: Path, change: Change, said: str, period: PseudonymPeriod, over_shared: OverSharing
) -> None:
    change("suspended: false", said)
    (agreement,) = load_agreements([agreements], catalogue()).agreements
    assert (agreement.pseudonym_period, agreement.over_shared) == (period, over_shared)


@pytest.mark.parametrize("said", ["pseudonym_period: week", "over_shared: yes"])
def test_an_unknown_word_for_either_is_found(agreements: Path, change: Change, said: str) -> None:
    change("suspended: false", said)
    (finding,) = findings_of(agreements)
    assert (finding.key, finding.problem) == (said.split(":", maxsplit=1)[0], "is not known")


def test_a_changed_policy_or_schema_set_changes_the_hash_of_the_agreement(agreements: Path) -> None:
    (before,) = load_agreements([agreements], catalogue()).agreements
    policy = agreements.parent / "policies" / "customs-response.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("Contact data", "Contact"), encoding="utf-8")
    (after,) = load_agreements([agreements], catalogue()).agreements
    assert after.sha256 != before.sha256
    other = {key: replace(one, sha256="0" * 64) for key, one in catalogue().items()}
    assert load_agreements([agreements], other).agreements[0].sha256 != after.sha256


# What is changed in the file → key and words that must be said.
WRONG = [
    ("agreement: gb-fr", "agreement: GB FR", "agreement", "is not a name"),
    ("version: 1", "version: first", "version", "is not a number"),
    ("parties: [GB-HMRC, FR-DGDDI]", "parties: [GB-HMRC]", "parties", "fewer than two"),
    ("parties: [GB-HMRC, FR-DGDDI]", "parties: [GB-HMRC, FR-DGDDI, FR-DGDDI]", "parties", "twice"),
    ("parties: [GB-HMRC, FR-DGDDI]", "parties: [GB-HMRC, FR-DGDDI, france]", "parties[3]", "is not a party id"),
    ("valid_from: 2026-01-01", "valid_from: 1 January 2026", "valid_from", "is not a date"),
    ("valid_from: 2026-01-01", "valid_from: 2026-02-30", "valid_from", "is not a date"),
    ("valid_until: 2036-01-01", "valid_until: 2026-01-01", "valid_until", "is not after"),
    ("suspended: false", "suspended: no", "suspended", "neither true nor false"),
    ("suspended: false", "suspendd: false", "suspendd", "Did you mean `suspended`?"),
    ("legal_basis:", "legal_bases:", "legal_basis", "is missing"),
    ("purpose: Customs", f"purpose: {'x' * 501} Customs", "purpose", "is too long"),
    ("onward_use: Not", "onward_use: \u202eNot", "onward_use", "do not print"),
    ("retention_days: 1095", "retention_days: 0", "retention_days", "is not a number that can stand"),
    ("crypto_profile: wcx-es256-1", "crypto_profile: wcx-rot13", "crypto_profile", "is not known"),
    ("message_lifetime: 7d", "message_lifetime: a week", "message_lifetime", "is not a length of time"),
    ("message_lifetime: 7d", "message_lifetime: 1h", "message_lifetime", "is shorter than the deadline"),
    ("cap: 10m", "cap: 48h", "retry", "do not fit together"),
    ("cap: 10m", "attempts: 0\n  cap: 10m", "retry.attempts", "is not a number"),
    ("suspended: false", "release: anybody", "release", "is not known"),
    ("max_document_bytes: 10485760", "max_document_bytes: 99999999999", "max_document_bytes", "is not a number"),
    ("from: GB-HMRC", "from: NL-DOUANE", "flows[1].from", "not in `parties`"),
    ("from: GB-HMRC", "from: FR-DGDDI", "flows[1]", "same party on both sides"),
    (
        "kinds: [declaration, amendment, arrival]",
        "kinds: [declarations]",
        "flows[1].kinds",
        "Did you mean `declaration`?",
    ),
    ("kinds: [declaration, amendment, arrival]", "kinds: []", "flows[1].kinds", "is empty"),
    ("kinds: [declaration, amendment, arrival]", "kinds: [response]", "flows[1].schema_set", "not for response"),
    ("kinds: [declaration, amendment, arrival]", "kinds: [12]", "flows[1].kinds", "is not a message kind"),
    (
        "schema_set: dms-declaration",
        "schema_set: dms-declarations",
        "flows[1].schema_set",
        "Did you mean `dms-declaration`?",
    ),
    ("schema_set: dms-declaration", "schema_set: dms-response", "flows[1].policy", "a policy for dms-declaration"),
    ("policies/customs-cooperation", "policies/none", "flows[1].policy", "does not exist"),
    ("valid_from:", "valid_form:", "valid_from", "is missing"),
    ("message_lifetime:", "lifetime:", "message_lifetime", "is missing"),
    ("retry:", "retries:", "retry", "is missing"),
    ("from: GB-HMRC", "form: GB-HMRC", "flows[1].from", "is missing"),
    ("    policy: ../", "    polity: ../", "flows[1].policy", "is missing"),
    ("flows:", "flaws:", "flaws", "Did you mean `flows`?"),
]


@pytest.mark.parametrize(("old", "new", "key", "words"), WRONG)
def test_each_mistake_in_an_agreement_is_found_with_key_and_line(
    agreements: Path, change: Change, old: str, new: str, key: str, words: str
) -> None:
    change(old, new)
    fitting = [one for one in findings_of(agreements) if one.key == key and words in f"{one.problem}. {one.fix}"]
    assert fitting
    assert all(one.line is not None and one.file.endswith("gb-fr.yaml") for one in fitting)


def test_mistakes_of_all_files_come_at_once(agreements: Path, change: Change) -> None:
    change("version: 1", "version: one")
    (agreements / "torn.yaml").write_text("agreement: [", encoding="utf-8")
    policy = agreements.parent / "policies" / "customs-response.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("/Bank", "/Banc"), encoding="utf-8")
    found = {(Path(one.file).name, one.key) for one in findings_of(agreements)}
    assert found == {("gb-fr.yaml", "version"), ("torn.yaml", ""), ("customs-response.yaml", "drop")}


def test_a_policy_with_errors_is_reported_once_however_many_flows_name_it(agreements: Path) -> None:
    policy = agreements.parent / "policies" / "customs-cooperation.yaml"
    policy.write_text("policy: 1\n", encoding="utf-8")
    assert {Path(one.file).name for one in findings_of(agreements)} == {"customs-cooperation.yaml"}
    assert len(findings_of(agreements)) == len({(one.line, one.key) for one in findings_of(agreements)})


def test_a_policy_for_an_unknown_set_is_reported(agreements: Path) -> None:
    policy = agreements.parent / "policies" / "customs-cooperation.yaml"
    text = policy.read_text(encoding="utf-8").replace("schema_set: dms-declaration", "schema_set: dms-other")
    policy.write_text(text, encoding="utf-8")
    assert [one.key for one in findings_of(agreements)] == ["schema_set"]


def test_one_message_is_not_permitted_twice(agreements: Path, change: Change) -> None:
    change("kinds: [response]", "kinds: [response, response]")
    load_agreements([agreements], catalogue())
    text = (agreements / "gb-fr.yaml").read_text(encoding="utf-8")
    flow = text[text.index("  - from: GB-HMRC") : text.index("  - from: FR-DGDDI")]
    change("flows:\n", f"flows:\n{flow}")
    assert "covers amendment from GB-HMRC to FR-DGDDI, as the flow of line" in findings_of(agreements)[0].problem


def test_two_agreements_may_not_permit_the_same_at_the_same_time(agreements: Path) -> None:
    text = (agreements / "gb-fr.yaml").read_text(encoding="utf-8")
    second = agreements / "second.yaml"
    second.write_text(text.replace("agreement: gb-fr", "agreement: second"), encoding="utf-8")
    assert {one.key for one in findings_of(agreements)} == {"flows"}
    later = text.replace("agreement: gb-fr", "agreement: second").replace("2036-01-01", "2046-01-01")
    second.write_text(later.replace("valid_from: 2026-01-01", "valid_from: 2036-01-01"), encoding="utf-8")
    assert len(load_agreements([agreements], catalogue()).agreements) == 2


def test_versions_of_one_agreement_stand_side_by_side_but_each_once(agreements: Path) -> None:
    text = (agreements / "gb-fr.yaml").read_text(encoding="utf-8")
    second = agreements / "second.yaml"
    second.write_text(text, encoding="utf-8")
    assert "version 1 of gb-fr, as is" in findings_of(agreements)[0].problem
    second.write_text(text.replace("version: 1", "version: 2"), encoding="utf-8")
    book = load_agreements([agreements], catalogue())
    assert {(one.id, one.version) for one in book.agreements} == {("gb-fr", 1), ("gb-fr", 2)}
    assert book.files[AgreementId("gb-fr"), 2].endswith("second.yaml")


def test_a_folder_without_agreements_is_reported(tmp_path: Path) -> None:
    assert "holds no agreement" in findings_of(tmp_path)[0].problem


def test_a_broken_schema_set_is_reported_with_its_folder(tmp_path: Path) -> None:
    shutil.copytree(schema_folder() / "dms-response", tmp_path / "dms-response")
    file = tmp_path / "dms-response" / "Response.xsd"
    file.write_bytes(file.read_bytes() + b"<!-- -->")
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(tmp_path)
    (finding,) = caught.value.findings
    assert "not those its manifest was made for" in finding.problem


@pytest.mark.parametrize(
    ("begins", "ends", "is_found"),
    [
        (None, date(2026, 1, 1), True),
        (None, date(2026, 1, 2), False),
        (date(2036, 1, 1), None, True),
        (date(2035, 12, 31), None, False),
        (date(2020, 1, 1), date(2025, 1, 1), True),
        (None, None, False),
    ],
)
def test_a_set_that_is_never_valid_while_the_agreement_is_in_force_is_reported(
    begins: date | None, ends: date | None, is_found: bool, agreements: Path
) -> None:
    sets = dict(catalogue())
    sets[RESPONSES] = replace(sets[RESPONSES], valid_from=begins, valid_until=ends)
    _, findings = read_agreements([agreements], sets)
    assert [one.key for one in findings] == (["flows"] if is_found else [])
    assert all("dms-response" in one.problem for one in findings)


def test_two_sets_with_one_id_and_a_folder_without_sets_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no schema set"):
        load_catalogue(tmp_path)
    for name in ("one", "two"):
        shutil.copytree(schema_folder() / "dms-response", tmp_path / name)
    with pytest.raises(ConfigurationError, match="second set with the id dms-response"):
        load_catalogue(tmp_path)


def test_a_policy_may_include_what_lies_beside_it_and_nothing_else(agreements: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policies" / "customs-cooperation.yaml"
    (tmp_path / "elsewhere.yaml").write_text("rules:\n  - drop: //Contact\n    reason: base\n", encoding="utf-8")
    inside = policy.with_name("beside.yaml")
    shutil.copy(tmp_path / "elsewhere.yaml", inside)
    text = policy.read_text(encoding="utf-8")
    assert text.count("include: [parts") == 1
    policy.write_text(text.replace("include: [parts", "include: [beside.yaml, parts"), encoding="utf-8")
    policies = load_agreements([agreements], catalogue()).policies.values()
    found = next(one for one in policies if any(file.endswith("beside.yaml") for file in one.files))
    assert [rule.file.endswith("beside.yaml") for rule in found.rules].count(True) == 1
    inside.unlink()
    inside.symlink_to(tmp_path / "elsewhere.yaml")
    (finding,) = findings_of(agreements)
    assert (finding.key, finding.line) == ("include", 9)
    assert "can not be read" in finding.problem


def test_warnings_about_policies_do_not_keep_agreements_from_loading(agreements: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policies" / "customs-cooperation.yaml"
    with policy.open("a", encoding="utf-8") as stream:
        stream.write("  - drop: /MetaData/Declaration/DeclarationOfficeID\n    when: {kind: response}\n")
    book, wrong = read_agreements([agreements], catalogue())
    assert wrong == ()
    assert any("never holds" in one.problem and not one.is_error for one in book.warnings)
