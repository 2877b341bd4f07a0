"""`gateway policy`: diff, coverage, test and simulate; none needs a node, each tells a person and a program."""

import shutil
from pathlib import Path

import pytest

from tests.acceptance.commands import AGREEMENT, POLICY, ROOT, VALID, gateway

STATISTICS = ROOT / "config" / "policies" / "trade-statistics.yaml"


def test_a_diff_shows_the_document_beside_the_view_and_counts() -> None:
    ran = gateway("policy", "diff", VALID, "--agreement", AGREEMENT, "--to", "FR-DGDDI", "--json")
    *places, last = ran.json
    assert ran.code == 0
    summary = last["summary"][0]
    assert (summary["sent"], summary["policy"], summary["changed"]) == (True, "customs-cooperation", 0)
    marks = [one["mark"] for one in places if one["value"]]
    assert (marks.count("kept"), marks.count("withheld")) == (summary["kept"], summary["withheld"])
    shown = gateway("policy", "diff", VALID, "--policy", POLICY, "--width", "72")
    assert max(map(len, shown.out.splitlines()[:-1])) <= 72
    assert f"{summary['kept']} kept, 0 changed, {summary['withheld']} withheld" in shown.out


@pytest.mark.parametrize("name", ["import-two-items", "import-customs-warehouse"])
def test_explain_counts_what_a_diff_counts_and_says_as_it_does_when_nothing_leaves(name: str) -> None:
    asked = (VALID.with_name(f"{name}.xml"), "--policy", STATISTICS, "--json")
    (*explained, why), (*_, what) = (gateway("policy", verb, *asked).json for verb in ("explain", "diff"))
    assert why == what
    summary = why["summary"][0]
    assert summary["kept"] + summary["changed"] == sum(one["kept"] and not one["is_empty"] for one in explained)
    assert summary["sent"] is (name == "import-two-items")
    shown = gateway("policy", "explain", *asked[:-1], "--width", "400").out
    assert ("REFUSED policy.not_permitted: Goods in a customs warehouse" in shown) is not summary["sent"]
    assert "(IMTS 2010, chapter " in shown


def test_the_agreement_that_is_named_counts_alone_whatever_lies_beside_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    mine = tmp_path / "config" / "agreements" / AGREEMENT.name
    mine.with_name("draft.yaml").write_text("agreement: not yet\n", encoding="utf-8")
    asked = ("policy", "explain", VALID, "--agreement", mine, "--json", "--to")
    assert gateway(*asked, "FR-DGDDI").code == 0
    unknown = gateway(*asked, "FR-DGDI")
    assert unknown.problem["code"] == "agreement.kind_not_covered"
    assert "FR-DGDDI gets amendment, arrival, declaration" in unknown.problem["detail"]


def test_policies_for_two_schema_sets_can_not_be_compared() -> None:
    other = POLICY.with_name("customs-cancellation.yaml")
    for asked in (("diff", VALID, "--between", POLICY, other), ("simulate", other, VALID, "--against", POLICY)):
        ran = gateway("policy", *asked, "--json")
        assert (ran.code, [one["fix"] for one in ran.problem["findings"]]) == (
            1,
            ["Compare policies that are for one schema set"],
        )
    assert gateway("policy", "diff", VALID, "--policy", POLICY, "--only", "different").code == 2


def test_no_more_of_a_document_is_read_than_any_may_have() -> None:
    for verb in ("explain", "diff"):
        ran = gateway("policy", verb, "/dev/zero", "--policy", POLICY, "--json", timeout=20)
        assert (ran.code, ran.problem["code"]) == (1, "document.too_large")


def test_two_policies_are_held_against_each_other() -> None:
    ran = gateway("policy", "diff", VALID, "--between", STATISTICS, POLICY, "--only", "different", "--json")
    *places, last = ran.json
    assert ran.code == 1
    assert places
    assert all(one["differs"] and one["a"]["leaves"] != one["b"]["leaves"] for one in places)
    assert [one["policy"] for one in last["summary"]] == ["trade-statistics", "customs-cooperation"]
    assert gateway("policy", "diff", VALID, "--between", POLICY, POLICY).code == 0
    both = gateway("policy", "diff", VALID, "--between", POLICY, POLICY, "--policy", POLICY)
    assert both.code == 2


def test_coverage_counts_what_may_leave_for_each_partner() -> None:
    ran = gateway("policy", "coverage", AGREEMENT.parent, "--set", "dms-declaration", "--json")
    assert ran.code == 0
    by_recipient = {one["to"]: one["counts"] for one in ran.json}
    assert by_recipient.keys() == {"FR-DGDDI", "GB-HMRC", "NL-DOUANE", "NO-TOLL", "CH-BAZG", "US-CBP"}
    assert all(counts["credential"].keys() == {"withheld"} for counts in by_recipient.values())
    shown = gateway("policy", "coverage", STATISTICS, "--tree")
    assert "Declaration/" in shown.out
    assert gateway("policy", "coverage", AGREEMENT.parent, "--to", "XX-NOBODY").code == 1


def test_golden_cases_are_written_judged_and_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "statistics" / "two-items"
    folder.mkdir(parents=True)
    (folder / "input.xml").write_bytes(VALID.read_bytes())
    (folder / "case.yaml").write_text(f"policy: {STATISTICS}\nexpect: policy.nothing_kept\n", encoding="utf-8")
    assert gateway("policy", "test", tmp_path).code == 1
    updated = gateway("policy", "test", tmp_path, "--update", "--json")
    assert (updated.code, updated.json[0]["written"]) == (0, ["case.yaml", "expected.xml"])
    assert "expect: view" in (folder / "case.yaml").read_text(encoding="utf-8")
    assert "1 case, 0 not as expected" in gateway("policy", "test", tmp_path).out
    expected = folder / "expected.xml"
    expected.write_text(expected.read_text(encoding="utf-8").replace(">IMA<", ">EXA<"), encoding="utf-8")
    failed = gateway("policy", "test", tmp_path)
    assert failed.code == 1
    assert "-<dec:TypeCode>EXA</dec:TypeCode>" in failed.out
    assert gateway("policy", "test", tmp_path / "statistics" / "two-items" / "none").code == 2


def test_a_case_that_can_not_be_run_has_failed_and_holds_up_no_other(tmp_path: Path) -> None:
    cases = {
        "a-no-policy": "policy: none.yaml\n",
        "b-nonsense": "nonsense\n",
        "c-no-input": f"policy: {STATISTICS}\n",
        "d-fine": f"policy: {STATISTICS}\ninput: {VALID.with_name('cancellation.xml')}\n"
        "expect: schema.kind_not_in_set\n",
    }
    for name, text in cases.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.yaml").write_text(text, encoding="utf-8")
    ran = gateway("policy", "test", tmp_path, "--json")
    assert (ran.code, [one["passed"] for one in ran.json]) == (1, [False, False, False, True])
    assert all(one["problem"].startswith("can not be run: ") for one in ran.json[:3])


def test_a_simulation_takes_files_and_folders_and_tells_what_it_left_out(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "TWO.XML").write_bytes(VALID.read_bytes())
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    shutil.copy(VALID.with_name("cancellation.xml"), tmp_path)
    asked = ("policy", "simulate", STATISTICS, tmp_path, "--against", POLICY)
    ran = gateway(*asked, "--json")
    assert (ran.code, [one.get("file") for one in ran.json]) == (
        0,
        ["below/TWO.XML", "cancellation.xml", "gone.xml", None],
    )
    shown = gateway(*asked, VALID).out
    assert f"left out: {tmp_path}/cancellation.xml (schema.kind_not_in_set)" in shown
    assert "2  left out: no valid documents of this schema set (1 schema.kind_not_in_set, 1 system.refused)" in shown
    nothing = gateway("policy", "simulate", POLICY, tmp_path / "folder.xml", "--against", POLICY, "--json")
    assert (nothing.code, nothing.problem["code"]) == (1, "request.not_found")


def test_a_simulation_tells_what_documents_would_lose_and_shows_no_value(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_bytes(VALID.read_bytes())
    (tmp_path / "none.xml").write_text("<A/>", encoding="utf-8")
    ran = gateway("policy", "simulate", STATISTICS, tmp_path, "--against", POLICY, "--json")
    assert ran.code == 0
    none, one, last = ran.json
    assert none["turn"] is None
    assert (one["turn"], one["gained"]) == ("different", [])
    assert last["summary"]["places"]["lost"]["/MetaData/Declaration/InvoiceAmount"] == 1
    assert last["summary"]["left_out"] == 1
    assert "SAMPLE-IM-0001" not in ran.out
    assert "nothing changes: one.xml" in gateway("policy", "simulate", POLICY, tmp_path, "--against", POLICY).out


def test_a_check_tells_warnings_and_only_strictly_fails_on_them(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    rules = "[/MetaData/Declaration/FunctionCode, /MetaData/Declaration/TypeCode, //GoodsShipment/Consignee]"
    file.write_text(
        f"policy: p\nversion: 1\nschema_set: dms-declaration\nrules:\n  - keep: {rules}\n", encoding="utf-8"
    )
    ran = gateway("policy", "check", file, "--json")
    assert (ran.code, ran.json[0]["findings"]) == (0, [])
    assert [one["level"] for one in ran.json[0]["warnings"]] == ["warning"]
    assert "Warning: " in gateway("policy", "check", file).out
    strict = gateway("policy", "check", file, "--strict", "--json")
    assert strict.code == 1
    assert [one["level"] for one in strict.problem["findings"]] == ["warning"]
    assert strict.problem["detail"] == "The policy has warnings, which --strict does not pass"


def test_a_policy_is_shown_with_what_it_includes_and_flat_it_hashes_the_same(tmp_path: Path) -> None:
    file = ROOT / "config" / "policies" / "safety-and-security.yaml"
    shown = gateway("policy", "show", file, "--json").json[0]
    assert {"safety-and-security.yaml", "never.yaml"} <= {Path(one).name for one in shown["files"]}
    flat = tmp_path / "flat.yaml"
    flat.write_text(gateway("policy", "show", file, "--flat").out, encoding="utf-8")
    assert gateway("policy", "check", flat, "--json").json[0]["sha256"] == shown["sha256"]
    lines = gateway("policy", "show", file).out.splitlines()
    never = next(number for number, line in enumerate(lines) if line.endswith("parts/never.yaml"))
    assert lines[never + 1].split()[1] == "drop"


def test_the_json_schema_is_printed_for_editors() -> None:
    assert gateway("policy", "schema", "--json").json[0]["title"] == "Policy"
    assert gateway("policy", "schema").out.startswith("{\n")


def test_the_secret_of_pseudonyms_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "pseudonym.key"
    made = gateway("policy", "secret", file, "--json")
    assert (made.code, made.json[0]["file"]) == (0, str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_bytes()
    again = gateway("policy", "secret", file)
    assert (again.code, file.read_bytes()) == (1, kept)
    assert kept.decode() not in again.out + made.out
