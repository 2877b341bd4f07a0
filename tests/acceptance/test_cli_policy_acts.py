"""What the commands about policies print, word for word: for an officer, an auditor, and their programs.

The files are written here, so that a change of the examples does not change what is seen. `transcripts` holds it.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.wording import Wording, WordingKind
from tests.acceptance.commands import NO_OWN_SETS, VALID
from tests.acceptance.transcript import Transcript
from tests.store_values import NOW
from tests.unit.web.listening import Node, open_node, open_operations

OLD = """\
policy: statistics
version: 1
schema_set: dms-declaration
rules:
  - keep: [/MetaData/Declaration/FunctionCode, /MetaData/Declaration/TypeCode]
    reason: Tells what is declared
    legal: Statistics agreement, article 4
require:
  - when: {type-code: [IM*]}
    reason: Only imports are counted
    legal: Statistics agreement, article 2
"""
NEW = f"""{OLD.replace("version: 1", "version: 2").replace("[IM*]", "[EX*]").replace("imports", "exports")}\
hold:
  - when: {{type-code: ["*"]}}
    reason: The first month is looked at by a person
consistency: {{counts: recount}}
"""
BAD = OLD.replace("TypeCode]", "TypeCod]").replace("legal:", "lawful:", 1)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of an officer, in which the commands run."""
    for name, text in (("old.yaml", OLD), ("new.yaml", NEW), ("bad.yaml", BAD)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "documents").mkdir()
    for name in ("import-minimal.xml", "export-one-item.xml", "cancellation-bare.xml"):
        (tmp_path / "documents" / name).write_bytes(VALID.with_name(name).read_bytes())
    for case, policy in (("fine", "old.yaml"), ("no-longer", "new.yaml"), ("nowhere", "none.yaml")):
        (tmp_path / "cases" / case).mkdir(parents=True)
        text = f"title: A small import\npolicy: ../../{policy}\ninput: ../../documents/import-minimal.xml\n"
        (tmp_path / "cases" / case / "case.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in NO_OWN_SETS.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.usefixtures("desk")
async def test_policy_files() -> None:
    session = Transcript(name="policy_files", url="https://nowhere.invalid", token="none")
    small, export = "documents/import-minimal.xml", "documents/export-one-item.xml"
    for asked in (
        ("check", "bad.yaml"),
        ("check", "old.yaml"),
        ("show", "new.yaml"),
        ("explain", small, "--policy", "old.yaml"),
        ("explain", small, "--policy", "old.yaml", "--only", "kept", "--width", "40"),
        ("explain", small, "--policy", "old.yaml", "--only", "withheld", "--json"),
        ("explain", small, "--policy", "new.yaml"),
        ("explain", export, "--policy", "new.yaml", "--only", "kept"),
        ("explain", small),
        ("diff", small, "--policy", "new.yaml", "--json"),
        ("diff", small, "--between", "old.yaml", "new.yaml", "--width", "60"),
        ("simulate", "new.yaml", "documents", "--against", "old.yaml"),
        ("simulate", "new.yaml", export, "--against", "old.yaml", "--json"),
        ("test", "cases", "--update"),
        ("test", "cases", "--json"),
    ):
        await session.run("policy", *asked)
    session.check()


async def test_policy_history(desk: Path) -> None:
    async with open_node(desk / "data") as node, open_operations(node.operations()) as url:
        session = Transcript(name="policy_history", url=url, token="auditor")
        old, new = await followed(node)
        for asked in (
            ("history",),
            ("history", "--of", "statistics", "--changes"),
            ("history", "--sha256", "bb", "--changes", "--json"),
            ("history", "--sha256", "policy"),
            ("restore", "aa", "--file", "back.yaml"),
            ("restore", old.text_sha256[:8].upper(), "--file", "back.yaml"),
            ("restore", new.text_sha256, "--file", "back.yaml", "--overwrite", "--json"),
            ("restore", "cc", "--file", "back.yaml"),
            ("restore", "0000", "--file", "other.yaml", "--json"),
            ("restore", "", "--file", "other.yaml"),
        ):
            await session.run("policy", *asked)
        await session.run("policy", "history", token="nobody")
    session.check()
    assert await asyncio.to_thread((desk / "back.yaml").read_text, encoding="utf-8") == NEW


async def followed(node: Node) -> tuple[Wording, Wording]:
    """Have the node follow one text, then a newer one beside an agreement; two agreements share a hash."""
    old = Wording(kind=WordingKind.POLICY, id="statistics", version=1, sha256="aa" * 32, text=OLD)
    new = Wording(kind=WordingKind.POLICY, id="statistics", version=2, sha256="bb" * 32, text=NEW)
    both = [
        Wording(kind=WordingKind.AGREEMENT, id="gb-no", version=1, sha256="cc" * 32, text=f"suspended: {said}\n")
        for said in ("false", "true")
    ]
    await node.store.put_in_force([old, both[0]], actor="system", now=NOW)
    later = NOW + timedelta(days=30)
    await node.store.put_in_force([new, both[1]], actor="operator:eve", reason="article 2 changed", now=later)
    return old, new
