"""A whole configuration is read as one: everything wrong in any file comes at once, and nothing starts with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.bundled import config_folder
from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError
from gateway.settings import check_configuration, load_configuration

Write = Callable[..., Path]


@pytest.fixture
def with_agreements(folder: Path) -> Path:
    shutil.copytree(config_folder() / "policies", folder / "policies")
    shutil.copy(config_folder() / "agreements" / "gb-fr.yaml", folder / "agreements")
    return folder


def test_a_right_configuration_loads_and_has_no_finding(write_node: Write, with_agreements: Path) -> None:
    path = write_node()
    assert check_configuration(path) == ()
    configuration = load_configuration(path)
    assert [one.id for one in configuration.book.agreements] == ["gb-fr"]
    assert set(configuration.catalogue) == {"dms-declaration", "dms-response", "dms-cancellation"}
    assert configuration.node.file == str(path)


ONE, TWO = (f'\n[[clients]]\nid = "officer-{number}"\nroles = ["officer"]\n' for number in (1, 2))


@pytest.mark.parametrize(
    ("release", "officers", "told"),
    [
        ("four-eyes", "", "asks for 2 officers, and no client"),
        ("four-eyes", ONE, "asks for 2 officers, and one client"),
        ("four-eyes", ONE + TWO, ""),
        ("one-officer", "", ""),
    ],
)
def test_an_agreement_that_asks_for_more_officers_than_there_are_is_warned_of(
    write_node: Write, with_agreements: Path, release: str, officers: str, told: str
) -> None:
    agreement = with_agreements / "agreements" / "gb-fr.yaml"
    text = agreement.read_text(encoding="utf-8").replace("suspended: false", f"release: {release}")
    agreement.write_text(text, encoding="utf-8")
    path = write_node()
    path.write_text(path.read_text(encoding="utf-8") + officers, encoding="utf-8")
    warnings = load_configuration(path).warnings
    assert [one.key for one in warnings] == (["release"] if told else [])
    assert all(told in one.problem and one.file == str(agreement) and not one.is_error for one in warnings)


def test_a_missing_settings_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(tmp_path / "none.toml")
    assert caught.value.code == "config.not_found"
    assert len(check_configuration(tmp_path / "none.toml")) == 1


def test_findings_of_settings_agreements_and_policies_come_at_once(write_node: Write, with_agreements: Path) -> None:
    agreement = with_agreements / "agreements" / "gb-fr.yaml"
    agreement.write_text(agreement.read_text(encoding="utf-8").replace("version: 1", "version: x"), encoding="utf-8")
    policy = with_agreements / "policies" / "customs-response.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("/Bank", "/Banc"), encoding="utf-8")
    found = check_configuration(write_node(("workers = 0", "wrokers = 0")))
    assert {(Path(one.file).name, one.key) for one in found} == {
        ("node.toml", "wrokers"),
        ("gb-fr.yaml", "version"),
        ("customs-response.yaml", "drop"),
    }


def test_a_partner_of_an_agreement_must_stand_in_the_settings(write_node: Write, with_agreements: Path) -> None:
    shutil.copy(config_folder() / "agreements" / "gb-nl.yaml", with_agreements / "agreements")
    (finding,) = check_configuration(write_node())
    assert finding.file.endswith("gb-nl.yaml")
    assert "names NL-DOUANE, which the settings do not know" in finding.problem


def test_an_agreement_between_others_is_reported(write_node: Write, with_agreements: Path) -> None:
    file = with_agreements / "agreements" / "gb-fr.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("GB-HMRC", "NO-TOLL"), encoding="utf-8")
    problems = [one.problem for one in check_configuration(write_node())]
    assert "is between FR-DGDDI, NO-TOLL, none of them a party of this node" in problems


def test_a_partner_without_an_agreement_is_reported(write_node: Write, with_agreements: Path) -> None:
    (with_agreements / "partners/NL-DOUANE").mkdir()
    second = '[[partners]]\nid = "NL-DOUANE"\nurl = "https://nl.example"\nfolder = "partners/NL-DOUANE"\n\n[[clients]]'
    (finding,) = check_configuration(write_node(("[[clients]]", second)))
    assert (finding.key, finding.file.endswith("node.toml")) == ("partners", True)


def test_a_settings_file_that_is_not_toml_is_one_finding(write_node: Write) -> None:
    (finding,) = check_configuration(write_node(("[trust]", "[trust")))
    assert "is not TOML" in finding.problem


OURS = """\
[[rule]]
class = "neutral"
reason = "Published in our register"
elements = ["/MetaData/Declaration/Exporter/Name"]
"""


def with_privacy(write_node: Write, folder: Path, text: str, set_id: str = "dms-declaration") -> Path:
    (folder / "ours.toml").write_text(text, encoding="utf-8")
    return write_node(("[trust]", f'[privacy]\n{set_id} = "ours.toml"\n\n[trust]'))


def test_privacy_classes_can_be_others_without_the_set_being_another(write_node: Write, with_agreements: Path) -> None:
    plain = load_configuration(write_node())
    ours = load_configuration(with_privacy(write_node, with_agreements, OURS))
    set_id, path = SchemaSetId("dms-declaration"), "/MetaData/Declaration/Exporter/Name"
    assert [one.book.trees[set_id].nodes[path].privacy for one in (plain, ours)] == ["personal", "neutral"]
    assert plain.catalogue[set_id].sha256 == ours.catalogue[set_id].sha256
    assert [one.sha256 for one in plain.book.agreements] == [one.sha256 for one in ours.book.agreements]


@pytest.mark.parametrize("set_id", ["dms-declaration", "dms-response"])
def test_an_element_that_the_set_does_not_have_is_one_finding(
    write_node: Write, with_agreements: Path, set_id: str
) -> None:
    text = OURS.replace("/Exporter/Name", "/Exporter/Namen")
    found = check_configuration(with_privacy(write_node, with_agreements, text, set_id))
    assert [(Path(one.file).name, one.line, one.key) for one in found] == [("ours.toml", 4, "elements")]


def test_privacy_classes_for_a_set_that_is_not_there_are_refused(write_node: Write, with_agreements: Path) -> None:
    (finding,) = check_configuration(with_privacy(write_node, with_agreements, OURS, "dms-invoice"))
    assert (finding.key, "dms-declaration" in finding.fix) == ("privacy.dms-invoice", True)


def test_a_privacy_file_for_other_sets_is_refused(write_node: Write, with_agreements: Path) -> None:
    text = 'sets = ["dms-response"]\n' + OURS
    (finding,) = check_configuration(with_privacy(write_node, with_agreements, text))
    assert (finding.key, finding.problem) == ("sets", "is for dms-response, not for dms-declaration")


def test_an_own_catalogue_of_schema_sets_is_used(write_node: Write, with_agreements: Path) -> None:
    (with_agreements / "sets").mkdir()
    path = write_node(("workers = 0", 'workers = 0\nschemas = "sets"'))
    (finding,) = check_configuration(path)
    assert "holds no schema set" in finding.problem


def test_an_unknown_key_hides_nothing_that_others_say_together(write_node: Write, with_agreements: Path) -> None:
    shutil.copy(config_folder() / "agreements" / "gb-no.yaml", with_agreements / "agreements")
    policy = with_agreements / "policies" / "customs-response.yaml"
    text = policy.read_text(encoding="utf-8").replace("/Bank", "/Banc").replace("    reason:", "    motive:", 1)
    policy.write_text(text, encoding="utf-8")
    found = check_configuration(write_node(("workers = 0", "wrokers = 0"), ('host = "127.0.0.1"', 'host = "0.0.0.0"')))
    keys = {(Path(one.file).name, one.key) for one in found}
    assert ("node.toml", "wrokers") in keys
    assert ("node.toml", "listeners.submission") in keys
    assert ("gb-no.yaml", "parties") in keys
    assert ("customs-response.yaml", "drop") in keys
    assert any(name == "customs-response.yaml" and key.endswith("motive") for name, key in keys)


def test_a_wrong_setting_does_not_hide_an_agreement_with_strangers(write_node: Write, with_agreements: Path) -> None:
    shutil.copy(config_folder() / "agreements" / "gb-no.yaml", with_agreements / "agreements")
    found = check_configuration(write_node(("workers = 0", "wrokers = 0"), ('host = "127.0.0.1"', 'host = "0.0.0.0"')))
    assert {(Path(one.file).name, one.key) for one in found} >= {
        ("node.toml", "wrokers"),
        ("node.toml", "listeners.submission"),
        ("gb-no.yaml", "parties"),
    }


def pseudonymising(folder: Path, policy: str = "customs-cooperation") -> None:
    """Let a policy of gb-fr replace a reference by a pseudonym."""
    file = folder / "policies" / f"{policy}.yaml"
    rule = "  - pseudonymise: /MetaData/Declaration/FunctionalReferenceID\n    reason: r\n    legal: l\n"
    if policy == "customs-response":
        rule = rule.replace("/Declaration/", "/Response/")
    file.write_text(file.read_text(encoding="utf-8") + rule, encoding="utf-8")


def test_a_node_that_sends_pseudonyms_needs_the_secret_for_them(write_node: Write, with_agreements: Path) -> None:
    pseudonymising(with_agreements)
    (finding,) = check_configuration(write_node())
    assert (Path(finding.file).name, finding.key) == ("node.toml", "pseudonyms.secret")
    assert "customs-cooperation" in finding.problem
    assert "gateway policy secret" in finding.fix
    (with_agreements / "pseudonym.key").write_bytes(b"-")
    named = write_node(("[trust]", '[pseudonyms]\nsecret = "pseudonym.key"\n\n[trust]'))
    assert check_configuration(named) == ()


def test_a_secret_that_is_named_must_be_there(write_node: Write, with_agreements: Path) -> None:
    (finding,) = check_configuration(write_node(("[trust]", '[pseudonyms]\nsecret = "none.key"\n\n[trust]')))
    assert (finding.key, "does not exist" in finding.problem) == ("pseudonyms.secret", True)
