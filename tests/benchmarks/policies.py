"""Rows about policies: apply, explain, inspect and check, at 10 KB and 280 KB, with sixty rules of which some change
values and some have conditions. Beside each the same policy with `keep` and `drop` alone: what the rest of it costs.

`apply` is held against what it can not do without: a copy of the tree, the schema's verdict, and writing the view.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Final

from lxml import etree

from gateway.document import read
from gateway.domain.limits import DocumentLimits
from gateway.policy import (
    CompiledPolicy,
    Policy,
    Pseudonyms,
    apply_policy,
    check_policy,
    compile_policy,
    draft_policy,
    explain,
    inspect,
)
from gateway.schema import CompiledSet, ValidDocument, validate

_DECLARATION: Final = "/MetaData/Declaration"
_ITEM: Final = f"{_DECLARATION}/GoodsShipment/GovernmentAgencyGoodsItem"
_HEAD: Final = """\
policy: sixty-rules
version: 1
schema_set: dms-declaration
consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}
rules:
  - keep: /MetaData
    attributes: [currencyID, unitCode, formatCode]
  - drop: [privacy:credential, //Contact, //Communication, //StatementDescription]
"""
_CHANGES: Final = f"""\
  - {{generalise: //AcceptanceDateTime/DateTimeString, to: month, attributes: [formatCode]}}
  - {{generalise: {_ITEM}/Commodity/InvoiceLine/ItemChargeAmount, bands: [0, 100, 1000, 10000, 100000], attributes: [currencyID]}}
  - {{truncate: {_ITEM}/Commodity/Description, length: 20}}
  - {{pseudonymise: {_DECLARATION}/Exporter/ID}}
  - {{pseudonymise: {_DECLARATION}/GoodsShipment/Importer/ID}}
  - {{replace: {_DECLARATION}/BorderTransportMeans/ID, with: "0"}}
"""
_CONDITIONS: Final = f"""\
  - drop: {_ITEM}/AdditionalDocument
    when: {{country-of-origin: [KP, IR]}}
  - drop: {_ITEM}/Packaging
    when: {{procedure: ["10", "11"]}}
  - drop: {_DECLARATION}/InvoiceAmount
    unless: {{kind: [declaration, amendment]}}
  - drop: {_DECLARATION}/Exporter/Name
    when: {{type-code: ["IM*"]}}
"""
_RULES: Final = 60


def sixty_rules(compiled: CompiledSet, *, plain: bool = False) -> bytes:
    """Return a policy of sixty rules; `plain`: none changes a value or has conditions."""
    others = "" if plain else _CHANGES + _CONDITIONS
    written = 5 + others.count("\n  - ") + bool(others)
    spoken = [line.split("/", 1)[1] for line in others.splitlines() if "/" in line]
    paths = (
        node.path
        for node in compiled.tree.nodes.values()
        if node.is_leaf and not node.least and node.path.startswith(f"{_DECLARATION}/") and node.path.count("/") > 4
    )
    free = [path for path in paths if not any(path.rpartition("/")[2] in one for one in spoken)]
    drops = free[:: max(1, len(free) // (_RULES - written))][: _RULES - written]
    return (_HEAD + others + "".join(f"  - drop: {path}\n" for path in drops if not _is_asked(path))).encode()


def _is_asked(path: str) -> bool:
    return path.endswith(("Origin/CountryCode", "GovernmentProcedure/CurrentCode"))


class Policies:
    """One policy of sixty rules and its plain twin, with documents to try them on."""

    def __init__(self, compiled: CompiledSet, documents: Mapping[str, bytes]) -> None:
        self._set = compiled
        self._limits = DocumentLimits()
        self._full, self._plain = (self._compiled(sixty_rules(compiled, plain=plain)) for plain in (False, True))
        self._documents = {name: self._valid(raw) for name, raw in documents.items()}
        self._pseudonyms = Pseudonyms(key=bytes(32))

    @property
    def names(self) -> tuple[str, ...]:
        """The documents, by size."""
        return tuple(self._documents)

    def apply(self, name: str, *, plain: bool = False) -> Callable[[], object]:
        """Apply the policy."""
        document, how = self._documents[name], self._plain if plain else self._full
        return lambda: apply_policy(document, how, self._set, pseudonyms=self._pseudonyms)

    def bare_apply(self, name: str) -> Callable[[], object]:
        """Copy the tree, judge it, write it: none of what a policy says."""
        root = self._documents[name].root

        def bare() -> bytes:
            copied = deepcopy(root)
            self._set.accepts(copied)
            return etree.tostring(copied, encoding="UTF-8")

        return bare

    def explain(self, name: str, *, plain: bool = False) -> Callable[[], object]:
        """Explain every value."""
        document, how = self._documents[name], self._plain if plain else self._full
        return lambda: explain(document, how)

    def inspect(self, name: str, *, plain: bool = False) -> Callable[[], object]:
        """Inspect the view as it arrives."""
        how = self._plain if plain else self._full
        view = apply_policy(self._documents[name], how, self._set, pseudonyms=self._pseudonyms)
        arrived = self._valid(view.xml)
        return lambda: inspect(arrived, how)

    def check(self, *, plain: bool = False) -> Callable[[], object]:
        """Check the policy against its set, as before every start."""
        policy = (self._plain if plain else self._full).policy
        return lambda: check_policy(policy, self._set)

    def _compiled(self, raw: bytes) -> CompiledPolicy:
        policy, findings = draft_policy(raw, file="sixty-rules.yaml")
        if policy is None or findings:
            raise ValueError(f"the policy of the benchmark is none: {findings}")
        return compile_policy(_of_sixty(policy), self._set)

    def _valid(self, raw: bytes) -> ValidDocument:
        return validate(read(raw, self._limits), self._set)


def _of_sixty(policy: Policy) -> Policy:
    if not _RULES * 0.9 <= len(policy.rules) <= _RULES * 1.1:
        raise ValueError(f"the policy of the benchmark has {len(policy.rules)} rules")
    return policy
