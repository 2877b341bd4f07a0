"""Reads agreements and the policies they name from folders of YAML files, every problem at once.

Both parties hold the same files. The hash of an agreement is over its meaning: its terms, the hashes of its schema sets
and of its policies, not over layout, comments or where the files lie. `suspended` is left out: either side may suspend
at once, and must be able to say so without its text seeming to differ.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.bundled import code_list_folder
from gateway.domain.agreement import Agreement, Flow, agreement_sha256
from gateway.domain.ids import AgreementId, CodeListId, RuleSetId, SchemaSetId
from gateway.domain.message import MessageKind
from gateway.domain.profile import Severity
from gateway.errors import ConfigurationError, Finding, GatewayError
from gateway.policy import Policy, check_policy, unknown_set
from gateway.policy.language.source import MAX_BYTES, Fields, SourceError, read_source
from gateway.schema import (
    CodeCatalogue,
    CompiledSet,
    RuleSet,
    SchemaTree,
    check_rules,
    compile_code_lists,
    compile_set,
    list_findings,
)
from gateway.settings.agreement_file import AgreementReading
from gateway.settings.code_lists import load_code_lists
from gateway.settings.plain import plain_bytes
from gateway.settings.policy_files import draft_policy_file
from gateway.settings.rule_file import RuleSets, read_rule_sets
from gateway.settings.schemas import Catalogue

__all__ = ["AgreementBook", "agreement_content", "load_agreements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementBook:
    """All agreements of a node, and the policies of their flows by hash. `files`: where each version was read,
    `texts`: what stood there.

    `trees`: those of the schema sets that the policies are written for; reading one takes long, so each is read once.
    `rule_sets`: every rule set there is, by id; `code_lists`: every code list. `warnings`: of the policies.
    """

    agreements: tuple[Agreement, ...]
    policies: Mapping[str, Policy]
    files: Mapping[tuple[AgreementId, int], str] = field(default_factory=dict)
    trees: Mapping[SchemaSetId, SchemaTree] = field(default_factory=dict, repr=False)
    texts: Mapping[tuple[AgreementId, int], str] = field(default_factory=dict, repr=False)
    rule_sets: RuleSets = field(default_factory=dict)
    code_lists: CodeCatalogue = field(default_factory=lambda: CodeCatalogue(lists={}, bindings=()), repr=False)
    warnings: tuple[Finding, ...] = ()


def load_agreements(folders: Sequence[Path], catalogue: Catalogue, schemas: Path | None = None) -> AgreementBook:
    """Return every agreement in `folders` (`*.yaml`), checked against `catalogue`, policies and profiles included. What
    is named and is a file counts alone, whatever else lies beside it.

    `schemas`: the folder of the catalogue, for the rule files in it; None: only the bundled ones.

    Raises ConfigurationError `config.invalid` with every finding of every file.
    """
    book, findings = read_agreements(folders, catalogue, schemas)
    if findings:
        raise ConfigurationError("config.invalid", findings=findings)
    return book


def read_agreements(
    folders: Sequence[Path], catalogue: Catalogue, schemas: Path | None = None
) -> tuple[AgreementBook, tuple[Finding, ...]]:
    """Return the agreements that could be read, and everything wrong with any. With findings, some may be missing."""
    rule_sets, wrong_rules = read_rule_sets(schemas)
    code_lists, wrong_lists = _code_lists(schemas)
    shelf = _Shelf(catalogue, rule_sets, code_lists)
    shelf.findings += (*wrong_rules, *wrong_lists)
    for folder in folders:
        files = [folder] if folder.is_file() else _yaml_in(folder)
        if not files:
            shelf.note(str(folder), "holds no agreement", "Put the agreements there as .yaml files, or name another")
        for file in files:
            shelf.add(file)
    shelf.check_overlaps()
    ordered = sorted(shelf.findings, key=lambda one: (one.file, one.line or 0, one.key))
    book = AgreementBook(
        agreements=tuple(shelf.agreements),
        policies=shelf.policies,
        files=shelf.files,
        texts=shelf.texts,
        trees=shelf.trees(),
        rule_sets=rule_sets,
        code_lists=code_lists,
        warnings=tuple(shelf.warnings),
    )
    return book, tuple(ordered)


def _yaml_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))


def _code_lists(schemas: Path | None) -> tuple[CodeCatalogue, tuple[Finding, ...]]:
    """Return the bundled code lists and those beside a catalogue's sets, or what is wrong with any."""
    own = None if schemas is None else schemas / "code_lists"
    folders = [code_list_folder(), *([own] if own is not None and own.is_dir() else [])]
    try:
        return load_code_lists(*dict.fromkeys(map(Path.resolve, folders))), ()
    except ConfigurationError as error:
        return CodeCatalogue(lists={}, bindings=()), error.findings


class _Shelf:
    """What was read so far. Policies and sets are read and compiled once, however many flows name them."""

    def __init__(self, catalogue: Catalogue, rule_sets: RuleSets, code_lists: CodeCatalogue) -> None:
        self.catalogue = catalogue
        self.code_lists = code_lists
        self.rule_sets = rule_sets
        self.agreements: list[Agreement] = []
        self.policies: dict[str, Policy] = {}
        self.files: dict[tuple[AgreementId, int], str] = {}
        self.texts: dict[tuple[AgreementId, int], str] = {}
        self.findings: list[Finding] = []
        self.warnings: list[Finding] = []
        self._read: dict[Path, Policy | None] = {}
        self._compiled: dict[SchemaSetId, CompiledSet | None] = {}
        self._checked: set[RuleSetId] = set()

    def note(self, file: str, problem: str, fix: str, *, line: int | None = None, key: str = "") -> None:
        self.findings.append(Finding(file=file, line=line, key=key, problem=problem, fix=fix))

    def add(self, file: Path) -> None:
        """Read one agreement file; what is wrong is noted."""
        reading = AgreementReading(file, self.catalogue, self.policy, self.rules, self.code_lists, self.check_lists)
        try:
            raw = plain_bytes(file, MAX_BYTES + 1)
            node = read_source(raw, file=str(file))
            if isinstance(node, Fields) and "policy" in node.fields and "agreement" not in node.fields:
                fix = "Name an agreement whose flows name this policy, or move the file out of the folder of agreements"
                self.note(str(file), "is a policy, not an agreement", fix, line=node.line, key="policy")
                return
            agreement = reading.agreement(node)
        except SourceError as error:
            self.findings.append(error.finding)
            return
        except OSError:
            self.note(str(file), "can not be read", "Make it readable, or remove it")
            return
        self.findings += reading.findings
        if reading.findings:
            return
        known = self.files.setdefault((agreement.id, agreement.version), str(file))
        if known != str(file):
            problem = f"is version {agreement.version} of {agreement.id}, as is {known}"
            self.note(str(file), problem, "Give the newer one a higher version", key="version")
            return
        self.agreements.append(_with_hash(agreement))
        self.texts[agreement.id, agreement.version] = raw.decode("utf-8-sig")

    def policy(self, file: Path) -> Policy | None:
        """Return the policy in `file`, checked; None when it was found wrong (and noted, once)."""
        path = file.resolve()
        if path not in self._read:
            self._read[path] = self._new_policy(path, os.path.normpath(file))
        return self._read[path]

    def _new_policy(self, path: Path, shown: str) -> Policy | None:
        policy, noted = draft_policy_file(path, shown=shown)
        self.findings += noted
        if policy is None or not policy.schema_set:
            return None
        compiled = self.compiled(policy.schema_set)
        if compiled is None and policy.schema_set not in self.catalogue:
            self.findings.append(unknown_set(policy, self.catalogue))
        if compiled is None:
            return None
        found = check_policy(policy, compiled, whole=not noted, codes=self.code_lists)
        errors = [one for one in found if one.is_error]
        self.findings += errors
        self.warnings += (one for one in found if not one.is_error)
        if errors or noted:
            return None
        self.policies[policy.sha256] = policy
        return policy

    def rules(self, rule_set_id: RuleSetId, schema_set: SchemaSetId | None) -> RuleSet | str:
        """Return the rule set, after noting what is wrong in its file (once); or why this flow can not name it."""
        found = self.rule_sets.get(rule_set_id)
        if found is None:
            return f"names the unknown rule set {rule_set_id}; there are {', '.join(sorted(self.rule_sets))}"
        if schema_set is not None and found.schema_set != schema_set:
            return f"names rules for {found.schema_set}, while the flow is under {schema_set}"
        compiled = self.compiled(found.schema_set)
        if compiled is not None and found.id not in self._checked:
            self._checked.add(found.id)
            self.findings += check_rules(found, compiled)
        return found

    def check_lists(
        self, chosen: Mapping[CodeListId, Severity], set_id: SchemaSetId | None, place: Finding
    ) -> tuple[Finding, ...]:
        """Return what is wrong with code lists for a schema set; `place` says which file, line and key to tell of."""
        compiled = None if set_id is None else self.compiled(set_id)
        tree = None if compiled is None else compiled.tree
        found = list_findings(self.code_lists, chosen, file=place.file, line=place.line, key=place.key, tree=tree)
        if found or compiled is None:
            return found
        try:
            compile_code_lists(self.code_lists, compiled.tree, compiled.id, chosen)
        except ConfigurationError as error:
            return error.findings
        return ()

    def compiled(self, set_id: SchemaSetId) -> CompiledSet | None:
        if set_id not in self._compiled:
            schema_set = self.catalogue.get(set_id)
            self._compiled[set_id] = None if schema_set is None else self._compile(set_id)
        return self._compiled[set_id]

    def trees(self) -> dict[SchemaSetId, SchemaTree]:
        """Return the tree of every set that was compiled."""
        return {set_id: one.tree for set_id, one in self._compiled.items() if one is not None}

    def _compile(self, set_id: SchemaSetId) -> CompiledSet | None:
        try:
            compiled = compile_set(self.catalogue[set_id])
            _ = compiled.tree
        except ConfigurationError as error:
            self.findings += error.findings
            return None
        except GatewayError as error:
            self.note(str(set_id), f"does not compile: {error.detail}", "Add the set anew: gateway schema add")
            return None
        return compiled

    def check_overlaps(self) -> None:
        """Two agreements must not both permit the same message at the same time: nobody could say which holds."""
        for index, one in enumerate(self.agreements):
            for other in self.agreements[index + 1 :]:
                if one.id == other.id or one.valid_from >= other.valid_until or other.valid_from >= one.valid_until:
                    continue
                for flow, kind in _covered_twice(one, other):
                    problem = f"permits {kind} from {flow.sender} to {flow.recipient}, as {one.id} does"
                    file = self.files[other.id, other.version]
                    self.note(file, problem, "Remove the flow from one, or let one end first", key="flows")


def _covered_twice(one: Agreement, other: Agreement) -> Iterable[tuple[Flow, MessageKind]]:
    for flow in other.flows:
        for kind in sorted(flow.kinds):
            if one.flow(flow.sender, flow.recipient, kind) is not None:
                yield flow, kind


def _with_hash(agreement: Agreement) -> Agreement:
    return dataclasses.replace(agreement, sha256=agreement_sha256(agreement_content(agreement)))


def agreement_content(agreement: Agreement) -> dict[str, Any]:
    """Return what the hash of an agreement is over (docs/configuration.md)."""
    return {
        "agreement": agreement.id,
        "version": agreement.version,
        "parties": sorted(agreement.parties),
        "valid_from": f"{agreement.valid_from:%Y-%m-%d}",
        "valid_until": f"{agreement.valid_until:%Y-%m-%d}",
        "terms": {
            "legal_basis": agreement.terms.legal_basis,
            "purpose": agreement.terms.purpose,
            "onward_use": agreement.terms.onward_use,
            "retention_days": agreement.terms.retention_days,
        },
        "crypto_profile": agreement.crypto_profile,
        "message_lifetime_seconds": _seconds(agreement.message_lifetime),
        "max_document_bytes": agreement.max_document_bytes,
        "release_approvals": agreement.release_approvals,
        "pseudonym_period": agreement.pseudonym_period.value,
        "over_shared": agreement.over_shared.value,
        "retry": {
            "first_wait_seconds": _seconds(agreement.retry.first_wait),
            "cap_seconds": _seconds(agreement.retry.cap),
            "deadline_seconds": _seconds(agreement.retry.deadline),
            "attempts": agreement.retry.attempts or 0,
        },
        "flows": [_flow_content(flow) for flow in sorted(agreement.flows, key=_flow_order)],
    }


def _flow_order(flow: Flow) -> tuple[str, str, list[str]]:
    return flow.sender, flow.recipient, sorted(flow.kinds)


def _flow_content(flow: Flow) -> dict[str, Any]:
    return {
        "from": flow.sender,
        "to": flow.recipient,
        "kinds": sorted(flow.kinds),
        "schema_set": flow.schema_set,
        "schema_set_sha256": flow.schema_set_sha256,
        "policy_sha256": flow.policy_sha256,
        "profile": flow.profile.content(),
    }


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
