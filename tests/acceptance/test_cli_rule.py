"""`gateway rule`: needs no node; lists, shows, and says of documents which rule they break."""

import json
from pathlib import Path

from gateway.bundled import schema_folder
from tests.acceptance.commands import gateway

RULES = schema_folder() / "rules" / "dms-declaration"


def test_the_rules_are_listed_with_severity_and_hash() -> None:
    ran = gateway("rule", "list", "--rules", "dms-declaration", "--json")
    listed = [json.loads(line) for line in ran.out.splitlines()]
    counted = next(one for one in listed if one["id"] == "items-counted")
    assert (counted["severity"], counted["on"], counted["kinds"]) == ("reject", "document", ["declaration"])
    assert len(counted["sha256"]) == 64
    assert "items-counted" in gateway("rule", "list").out


def test_a_rule_is_shown_with_what_to_do() -> None:
    assert "Correct GoodsItemQuantity" in gateway("rule", "show", "items-counted", "--rules", "dms-declaration").out
    unknown = gateway("rule", "show", "items", "--rules", "dms-declaration", "--json")
    assert (unknown.code, unknown.problem["code"]) == (1, "request.not_found")


def test_documents_are_checked_and_only_what_would_not_leave_fails() -> None:
    good, warned, refused = (
        str(RULES / name) for name in ("items-counted.good.xml", "packages-counted.bad.xml", "items-counted.bad.xml")
    )
    assert gateway("rule", "check", "--rules", "dms-declaration", good, warned).code == 0
    ran = gateway("rule", "check", "--rules", "dms-declaration", "--json", good, warned, refused)
    assert ran.code == 1
    verdicts = [
        (one["verdict"], [each["rule"] for each in one["broken"]]) for one in map(json.loads, ran.out.splitlines())
    ]
    assert verdicts == [(None, []), ("warn", ["packages-counted"]), ("reject", ["items-counted"])]


def test_a_rule_file_is_checked_against_its_set(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    text = (schema_folder() / "rules" / "dms-declaration.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("dec:GoodsItemQuantity[. !=", "dec:GoodsItemQuantities[. !="), encoding="utf-8")
    ran = gateway("rule", "check", "--rules", str(file), "--json")
    assert ran.code == 1
    (finding,) = ran.problem["findings"]
    assert (finding["key"], "dec:GoodsItemQuantities" in finding["problem"]) == ("items-counted.selects", True)
    assert gateway("rule", "check", "--rules", "dms-declaration").code == 0
