"""Commands that need no node: schema, policy, audit, pki, token, config."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent, export_lines, genesis, link
from gateway.cli.output import plain
from gateway.trust import TokenVerifier
from tests.acceptance.commands import AGREEMENT, INVALID, POLICY, ROOT, VALID, gateway
from tests.store_values import NOW

CHAIN = "gb-hmrc"


# ── schema and policy ──


def test_validation_prints_one_object_a_file() -> None:
    ran = gateway("schema", "validate", "--set", "dms-declaration", "--json", VALID, INVALID)
    good, bad = ran.json
    assert good == {"file": str(VALID), "valid": True, "violations": []}
    assert (bad["file"], bad["valid"]) == (str(INVALID), False)
    assert set(bad["violations"][0]) == {
        *("code", "path", "line", "wco_id", "message"),
        *("rule", "wco_name", "expected", "fix"),
    }
    assert bad["violations"][0]["line"] > 1


def test_what_is_no_xml_is_invalid_too(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("doctype", b"<!DOCTYPE a []><a/>"), ("binary", bytes(range(256)))):
        (tmp_path / name).write_bytes(content)
    ran = gateway("schema", "validate", "--set", "dms-declaration", "--json", *sorted(tmp_path.iterdir()))
    assert ran.code == 1
    assert [one["violations"][0]["code"] for one in ran.json] == [
        "document.encoding_refused",
        "document.doctype_refused",
        "document.empty",
    ]


def test_the_sets_there_are_can_be_listed_and_named_in_a_refusal() -> None:
    listed = gateway("schema", "list", "--json")
    assert [one["id"] for one in listed.json] == ["dms-cancellation", "dms-declaration", "dms-response"]
    refused = gateway("schema", "validate", "--set", "nothing", "--json", VALID)
    assert refused.problem["code"] == "schema.unknown_set"
    assert "dms-response" in refused.problem["detail"]


def test_another_catalogue_takes_the_place_of_the_bundled_one(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "wco_schemas" / "dms-response", tmp_path / "dms-response")
    listed = gateway("schema", "list", "--catalogue", tmp_path, "--json")
    assert [one["id"] for one in listed.json] == ["dms-response"]
    (tmp_path / "dms-response" / "Response.xsd").unlink()
    broken = gateway("schema", "list", "--catalogue", tmp_path, "--json")
    assert broken.code == 1
    assert broken.problem["findings"]


def test_a_policy_that_holds_says_so_and_one_that_does_not_says_all_of_it(tmp_path: Path) -> None:
    assert gateway("policy", "check", POLICY).code == 0
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "policy: wrong\nversion: 1\nschema_set: dms-declaration\n"
        "rules:\n  - keep: /MetaData/Nowhere\n  - remove: /MetaData/Declaration\n"
    )
    ran = gateway("policy", "check", wrong, "--json")
    assert ran.code == 1
    assert ran.problem["code"] == "policy.invalid"
    for finding in ran.problem["findings"]:
        assert finding["file"] == str(wrong)
        assert finding["problem"]
        assert finding["fix"]
    shown = gateway("policy", "check", wrong)
    assert re.search(rf"{re.escape(str(wrong))}:\d+ \[", shown.err)


def test_every_value_of_a_document_is_explained_and_none_is_shown() -> None:
    ran = gateway("policy", "explain", VALID, "--policy", POLICY, "--json")
    assert ran.code == 0
    *places, _ = ran.json
    assert {one["kept"] for one in places} == {True, False}
    files = {one["rule"].partition(".yaml")[0] for one in places}
    assert {str(POLICY.with_suffix("")), str(POLICY.parent / "parts" / "envelope")} <= files
    table = gateway("policy", "explain", VALID, "--policy", POLICY, "--only", "withheld")
    assert table.code == 0
    assert all(len(line) <= 100 for line in table.out.splitlines())
    values = set(re.findall(r">([A-Za-z][^<>\n]{7,})<", VALID.read_text()))
    assert len(values) > 5
    assert not [value for value in values if value in table.out or value in ran.out]


def test_a_policy_can_be_named_by_its_agreement() -> None:
    by_agreement = gateway("policy", "explain", VALID, "--agreement", AGREEMENT, "--to", "FR-DGDDI", "--json")
    by_policy = gateway("policy", "explain", VALID, "--policy", POLICY, "--json")
    assert [one.get("kept") for one in by_agreement.json] == [one.get("kept") for one in by_policy.json]
    refused = gateway("policy", "explain", VALID, "--agreement", AGREEMENT, "--to", "NO-TOLL", "--json")
    assert refused.problem["code"] == "agreement.kind_not_covered"


# ── evidence ──


@pytest.fixture
def export(tmp_path: Path) -> Path:
    head, records = genesis(CHAIN), []
    for number in range(5):
        entry = AuditEntry(event=AuditEvent.NODE_STARTED, at=NOW, actor="system", facts={"count": number})
        record, head = link(head, entry)
        records.append(record)
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(export_lines(records, start=genesis(CHAIN))))
    return path


def test_a_sound_export_verifies(export: Path) -> None:
    ran = gateway("audit", "verify", "--export", export, "--json")
    assert ran.code == 0
    (told,) = ran.json
    assert (told["chain"], told["intact"], told["records"]) == (CHAIN, True, 5)
    head = f"{told['head']['seq']}:{told['head']['hash']}"
    assert gateway("audit", "verify", "--export", export, "--head", head).code == 0
    assert gateway("audit", "verify", "--export", export, "--head", f"3:{'0' * 64}").code == 1


@pytest.mark.parametrize("how", ["flip", "delete", "swap", "cut"])
def test_a_changed_export_does_not(export: Path, how: str) -> None:
    lines = export.read_bytes().splitlines(keepends=True)
    changed = {
        "flip": [*lines[:2], lines[2].replace(b'"count":1', b'"count":9'), *lines[3:]],
        "delete": [*lines[:2], *lines[3:]],
        "swap": [*lines[:2], lines[3], lines[2], *lines[4:]],
        "cut": lines[:-1],
    }[how]
    export.write_bytes(b"".join(changed))
    ran = gateway("audit", "verify", "--export", export, "--json")
    assert ran.code == 1
    assert not ran.json[0]["intact"]
    shown = gateway("audit", "verify", "--export", export)
    assert "BROKEN" in shown.out


# ── certificates and tokens ──


def test_an_authority_issues_renews_revokes_and_bundles(tmp_path: Path) -> None:
    ca, keys = tmp_path / "ca", tmp_path / "keys"
    assert gateway("pki", "init", "--dir", ca).code == 0
    again = gateway("pki", "init", "--dir", ca, "--json")
    assert again.code == 1
    issued = gateway(*("pki", "issue", "GB-HMRC", "--authority", ca, "--keys", keys, "--ip", "127.0.0.1", "--json"))
    assert issued.code == 0, issued.err
    made = {one["use"]: one for one in issued.json}
    assert set(made) == {"tls", "sign", "decrypt"}
    for one in made.values():
        assert Path(one["key"]).stat().st_mode & 0o777 == 0o600
    renewed = gateway("pki", "renew", made["tls"]["certificate"], "--authority", ca, "--keys", keys, "--json")
    assert renewed.json[0]["certificate"] != made["tls"]["certificate"]
    begins = datetime.now(UTC) + timedelta(days=30)
    successor = gateway(
        *("pki", "issue", "GB-HMRC", "--authority", ca, "--keys", keys, "--use", "sign"),
        *("--not-before", f"{begins:%Y-%m-%d}", "--days", 10, "--json"),
    )
    assert successor.code == 0, successor.err
    assert successor.json[0]["certificate"].endswith("sign-2.crt.pem")
    assert successor.json[0]["not_after"].startswith(f"{begins + timedelta(days=10):%Y-%m-%d}")
    before = (ca / "issuing.crl.pem").read_bytes()
    revoked = gateway(
        *("pki", "revoke", made["tls"]["certificate"], "--authority", ca, "--reason", "keyCompromise", "--json")
    )
    assert revoked.json[0]["serial"] == made["tls"]["serial"]
    assert (ca / "issuing.crl.pem").read_bytes() != before
    assert gateway("pki", "crl", "--authority", ca).code == 0
    bundle = tmp_path / "gb.json"
    told = gateway("pki", "bundle", "GB-HMRC", "--authority", ca, "--keys", keys, "--out", bundle, "--json")
    assert json.loads(bundle.read_text())["party"] == "GB-HMRC"
    assert [one["label"] for one in told.json[0]["fingerprints"]][-1] == "bundle"
    assert gateway("pki", "issue", "nobody", "--authority", ca, "--keys", keys).code == 2


def test_a_token_is_one_that_a_node_would_take(tmp_path: Path) -> None:
    folder = tmp_path / "issuer"
    assert gateway("token", "init", "--dir", folder).code == 0
    ran = gateway(
        *(
            "token",
            "issue",
            "--issuer-dir",
            folder,
            "--client",
            "customs-it",
            "--role",
            "operator",
            "--role",
            "auditor",
        ),
        *("--issuer", "https://issuer.example", "--audience", "gateway"),
    )
    assert ran.code == 0, ran.err
    verifier = TokenVerifier(jwks=folder / "jwks.json", issuer="https://issuer.example", audience="gateway")
    holder = verifier.verify(f"Bearer {ran.out.strip()}", datetime.now(UTC))
    assert (holder.client, set(holder.roles)) == ("customs-it", {"operator", "auditor"})
    assert gateway("token", "issue", "--issuer-dir", folder, "--client", "x", "--role", "king").code == 2
    assert gateway("token", "issue", "--issuer-dir", folder, "--client", "x", "--role", "operator").code == 2


# ── settings ──


def test_bad_settings_are_told_all_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('name = "A Node"\ndata_dir = "data"\nworkers = -1\nnonsense = true\n')
    for command in (("config", "check"), ("serve",)):
        ran = gateway(*command, "--config", config, "--json")
        assert ran.code == 1
        findings = ran.problem["findings"]
        assert {"name", "workers", "nonsense"} <= {one["key"] for one in findings}
        for one in findings:
            assert one["file"] == str(config)
            assert one["problem"]
            assert one["fix"]
        shown = gateway(*command, "--config", config)
        assert shown.code == 1
        assert f"{config}:3 [workers]" in shown.err
        assert "Traceback" not in shown.err
    assert not (tmp_path / "data").exists()


def test_a_settings_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    ran = gateway("serve", "--config", tmp_path / "none.toml", "--json")
    assert (ran.code, ran.problem["code"]) == (1, "config.not_found")


# ── what others wrote ──


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "a\r\nb", "\u202eabc", "\x07", "\x9b31m"])
def test_a_terminal_is_never_told_what_to_do(text: str) -> None:
    shown = plain(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", shown)


def test_words_of_others_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from gateway.cli.output import print_table

    print_table("", ("Reason",), [("[bold]x[/bold] [link=https://elsewhere.example]y[/link]",)])
    assert "[bold]x[/bold] [link=https://elsewhere.example]y[/link]" in capsys.readouterr().out
