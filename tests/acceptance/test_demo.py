"""The demo as a newcomer runs it: exit code 0, a report that any terminal shows, and consoles that stay with `--keep`."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from gateway.demo.documents import load_programme
from tests.acceptance.commands import gateway

PROGRAMME = load_programme()


@pytest.fixture(scope="module")
def report() -> str:
    """What `gateway demo` prints into a pipe."""
    ran = gateway("demo", timeout=300)
    assert ran.code == 0, ran.out + ran.err
    assert ran.err == ""
    return ran.out


def rows(report: str, title: str) -> list[list[str]]:
    """Return the cells of the table under a title: from the line below its heading to the first blank one."""
    _, _, below = report.partition(f"\n{title}")
    lines = iter(below.splitlines())
    while "────" not in next(lines):
        pass
    found: list[list[str]] = []
    for line in lines:
        if not line.strip():
            return found
        found.append(line.split())
    return found


def test_the_report_fits_100_columns_and_has_no_colour_in_a_pipe(report: str) -> None:
    assert max(map(len, report.splitlines())) <= 100
    assert "\x1b" not in report


def test_every_document_is_delivered_with_a_verified_receipt_and_handed_over(report: str) -> None:
    told = rows(report, "From GB-HMRC to FR-DGDDI") + rows(report, "From FR-DGDDI to GB-HMRC")
    assert {cells[0] for cells in told} == {one.name for one in PROGRAMME.documents}
    for name, kind, state, attempts, kept, withheld, receipt, handed_over in told:
        one = PROGRAMME.named(name)
        assert (kind, int(kept), int(withheld)) == (one.kind.value, one.kept, one.withheld)
        assert (state, receipt) == ("DELIVERED", "verified")
        assert int(attempts) >= 1
        assert re.fullmatch(r"\d\d:\d\d:\d\d", handed_over)


def test_one_document_is_shown_side_by_side_with_the_rules(report: str) -> None:
    place, held, stays = "GoodsShipment/TradeTerms/Description", "Handshake at the fair", "stays"
    (line,) = (line for line in report.splitlines() if line.strip().startswith(place))
    assert held in line
    assert stays in line
    for word in ("rule", "drop set:free-texts", "never.yaml:", "A free text may hold anything about anybody"):
        assert word in report
    assert "GDPR, article 25(2)" in report
    ruled, lawful = (len(re.findall(rf"(?m)^{form}", report)) for form in (r"\(\d+\) rule ", r"    legal "))
    assert ruled == lawful >= 4, "each rule that kept a value back is told with its law"


def test_five_partners_get_five_views_and_each_is_told_with_its_law(report: str) -> None:
    told = " ".join(report.partition("\nOne document, five partners: import-two-items")[2].split())
    for partner, counts in {
        "FR-DGDDI": (130, 0, 10),
        "NL-DOUANE": (39, 2, 99),
        "NO-TOLL": (38, 4, 98),
        "CH-BAZG": (38, 3, 99),
        "US-CBP": (98, 1, 41),
    }.items():
        assert re.search(rf"{partner} .{{10,60}}{' '.join(map(str, counts))} ", told), partner
    for law in ("SAFE Framework", "IMTS 2010", "common transit"):
        assert law in told
    assert ["commodity", "code", "18010000", "=", "180100", "180100", "1801", "="] in rows(report, "The same, value")
    assert "10 values too many: a signed refusal, policy.over_shared." in told


def test_answers_audits_and_checks_are_told(report: str) -> None:
    assert {cells[0] for cells in rows(report, "Answers that came back to GB-HMRC")} == {
        one.name for one in PROGRAMME.documents if one.answers
    }
    assert [cells[0] for cells in rows(report, "Audit")] == ["GB-HMRC", "FR-DGDDI"]
    checks = report.partition("\nChecks")[2].splitlines()
    assert sum(line.startswith("ok ") for line in checks) == 29
    assert checks[-1] == "All 29 checks hold."


def test_it_keeps_both_running_until_ctrl_c_and_tells_programs_everything(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--keep", "--json", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert told["passed"] is True
        assert all(check["holds"] for check in told["checks"])
        assert {one["document"] for one in told["transfers"]} == {one.name for one in PROGRAMME.documents}
        urls = [one["url"] for one in told["consoles"]]
        assert len(urls) == 2
        for one in told["consoles"]:
            assert Path(one["token_file"]).read_text(encoding="ascii")
            with urlopen(f"{one['url']}console/sign-in", timeout=10) as answer:
                assert answer.status == 200
        ran = gateway("audit", "verify", "--config", folder / "GB-HMRC" / "node.toml")
        assert ran.code == 0, ran.out
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()
    assert process.returncode == 0
    for url in urls:
        with pytest.raises(URLError):
            urlopen(url, timeout=10)
