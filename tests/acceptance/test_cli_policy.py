"""`gateway policy`: diff, coverage, test and simulate; none needs a node, each tells a person and a program."""

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
    assert {"FR-DGDDI", "NL-DOUANE", "NO-TOLL"} <= by_recipient.keys()
    assert all(counts["credential"].keys() == {"withheld"} for counts in by_recipient.values())
    shown = gateway("policy", "coverage", STATISTICS, "--tree")
    assert "Declaration/" in shown.out
    assert gateway("policy", "coverage", AGREEMENT.parent, "--to", "XX-NOBODY").code == 1
