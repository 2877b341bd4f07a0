"""Writes the parts of docs/ that the code already knows: the error catalogue, the life of a transfer, the rules,
what may leave under the example agreements.

    python docs/generate.py            rewrite them
    python docs/generate.py --check    exit 1 and name the files that differ

tests/law compares them too, so a changed catalogue or lifecycle can not go undocumented.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from gateway.bundled import config_folder, schema_folder
from gateway.domain.agreement import Agreement
from gateway.domain.ids import SchemaSetId
from gateway.domain.lifecycle import HAND_OVER_TRANSITIONS, mermaid
from gateway.errors import CATALOGUE, ErrorCode
from gateway.policy import Policy
from gateway.policy.telling.coverage import coverage
from gateway.policy.telling.coverage_text import by_class, tree_lines
from gateway.schema import Rule, RuleTarget, SchemaTree
from gateway.settings import load_agreements, load_catalogue
from gateway.settings.rule_file import read_rule_sets

DOCS = Path(__file__).resolve().parent

GROUPS = {
    "config": "Settings, agreements and policies, found at start or by `gateway config check`.",
    "document": "The XML door. Nothing behind it has seen the bytes.",
    "schema": "Validation against the schema set of the agreement.",
    "codelist": "Codes that XSD leaves open, checked against the code lists of the agreement (code-lists.md).",
    "policy": "Cutting a document down to its view, or checking an incoming one against the agreed policy.",
    "agreement": "No agreement permits the exchange.",
    "access": "Who is asking, and may they.",
    "request": "The HTTP request itself.",
    "transfer": "Acts on a transfer, and why one came to rest.",
    "hand_over": "What a back end that pulls is told.",
    "trust": "Keys, certificates and revocation lists of our own side.",
    "storage": "The store.",
    "audit": "The audit chain.",
    "envelope": "A token that must not be believed. A partner sees one code for nearly all, so trying teaches nothing.",
    "receipt": "A statement that came back for a message of ours.",
    "notice": "A partner's statement that its back end took a message of ours.",
    "message": "A message of a partner.",
    "channel": "The way to a partner or to a back end.",
    "capacity": "The gateway is full.",
    "node": "The node as a whole.",
    "internal": "A defect of the gateway.",
}


def errors_page() -> str:
    """Return docs/errors.md: the catalogue as tables, one section per family of codes."""
    lines = [
        "# Error codes",
        "",
        "Written by `make docs` from `gateway/errors.py`; do not edit.",
        "",
        "Every refusal carries one of these codes: in the `code` member of a problem (RFC 9457), in a signed refusal,",
        "in `error.code` of a log line, in the audit. A code never changes its meaning. *Again*: the same request may",
        "succeed later without a change. *Partner sees*: what the other side is told, where it is not the code itself.",
    ]
    for family, rows in groupby(sorted(CATALOGUE.values(), key=_place), key=_family):
        lines += ["", f"## {family}", "", GROUPS.get(family, "Not described yet."), ""]
        lines += ["| code | meaning | HTTP | again | partner sees |", "|---|---|---|---|---|"]
        lines += [_row(entry) for entry in rows]
    return "\n".join(lines) + "\n"


def _family(entry: ErrorCode) -> str:
    return entry.code.partition(".")[0]


def _place(entry: ErrorCode) -> tuple[int, str]:
    families = list(GROUPS)
    family = _family(entry)
    return (families.index(family) if family in families else len(families), family)


def _row(entry: ErrorCode) -> str:
    seen = "" if entry.public_code == entry.code else f"`{entry.public_code}`"
    return f"| `{entry.code}` | {entry.title} | {entry.status} | {'yes' if entry.retryable else ''} | {seen} |"


def with_diagrams(page: str) -> str:
    """Return docs/architecture.md with its two state diagrams renewed."""
    for name, diagram in (("transfer", mermaid()), ("hand-over", hand_over_diagram())):
        block = f"<!-- {name}: written by `make docs` -->\n```mermaid\n{diagram}\n```"
        pattern = rf"<!-- {name}: written by `make docs` -->\n```mermaid\n(?:.*?\n)??```"
        page, found = re.subn(pattern, block.replace("\\", "\\\\"), page, flags=re.DOTALL)
        if found != 1:
            raise SystemExit(f"docs/architecture.md has {found} diagrams marked '{name}'; there must be one")
    return page


def hand_over_diagram() -> str:
    """Return the life of a hand-over as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> PENDING: message accepted"]
    lines += [f"    {before} --> {after}: {event}" for (before, event), after in HAND_OVER_TRANSITIONS.items()]
    return "\n".join([*lines, "    HANDED_OVER --> [*]"])


def with_rules(page: str) -> str:
    """Return docs/profile-rules.md with its table of bundled rules renewed."""
    sets, _ = read_rule_sets(None)
    lines: list[str] = []
    for rule_set in sets.values():
        lines += [f"### {rule_set.id}", "", f"Version {rule_set.version}, SHA-256 `{rule_set.sha256}`.", ""]
        lines += ["| rule | severity | kinds | what is wrong when it is broken | source |", "|---|---|---|---|---|"]
        lines += [_rule_row(rule) for rule in rule_set.rules]
        lines += [""]
    start, end = "<!-- rules: written by `make docs` -->\n", "<!-- end of rules -->"
    before, found, rest = page.partition(start)
    if not found or end not in rest:
        raise SystemExit("docs/profile-rules.md has no place for the rules")
    return before + start + "\n" + "\n".join(lines) + "\n" + end + rest.partition(end)[2]


def _rule_row(rule: Rule) -> str:
    kinds = ", ".join(sorted(rule.kinds)) + (" (views)" if rule.target is RuleTarget.VIEW else "")
    return f"| `{rule.id}` | {rule.severity.value} | {kinds} | {rule.title} | {rule.source} |"


def coverage_pages() -> dict[Path, str]:
    """Return docs/policy-coverage-AGREEMENT.md for every example agreement: what may leave under it, by privacy class.

    Flows under one policy are told once; the tree is folded as `gateway policy coverage --tree` folds it.
    """
    catalogue = load_catalogue(schema_folder())
    book = load_agreements([config_folder() / "agreements"], catalogue)
    return {
        DOCS / f"policy-coverage-{one.id}.md": _coverage_page(one, book.policies, book.trees) for one in book.agreements
    }


def _coverage_page(one: Agreement, policies: Mapping[str, Policy], trees: Mapping[SchemaSetId, SchemaTree]) -> str:
    lines = [f"# What may leave under {one.id}", ""]
    lines += [
        "Written by `make docs` from `config/`; do not edit. How to read it: [policy-tools.md](policy-tools.md).",
        "",
    ]
    lines += [f"Legal basis: {one.terms.legal_basis}. Purpose: {one.terms.purpose}.", ""]
    for sha256 in dict.fromkeys(flow.policy_sha256 for flow in one.flows):
        policy = policies[sha256]
        nodes = coverage(policy, trees[policy.schema_set])
        lines += [
            f"## {policy.title}",
            "",
            f"Policy `{policy.id}` version {policy.version}, set {policy.schema_set}.",
            "",
        ]
        for flow in one.flows:
            if flow.policy_sha256 == sha256:
                lines += [f"- {', '.join(sorted(flow.kinds))} from {flow.sender} to {flow.recipient}"]
        lines += ["", "| elements of class | may leave |", "|---|---|"]
        lines += [f"| {name} | {cell} |" for name, (cell,) in by_class([nodes])]
        lines += ["", "```text", *(f"{cell:8} {name}".rstrip() for (cell,), name in tree_lines([nodes])), "```", ""]
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """Return what each generated file should hold."""
    architecture, rules = DOCS / "architecture.md", DOCS / "profile-rules.md"
    return {
        rules: with_rules(rules.read_text(encoding="utf-8")),
        DOCS / "errors.md": errors_page(),
        architecture: with_diagrams(architecture.read_text(encoding="utf-8")),
        **coverage_pages(),
    }


def main() -> int:
    """Write the pages, or with --check tell which differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [
        (path, text) for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{'stale' if check else 'written'}: {path.relative_to(DOCS.parent)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
