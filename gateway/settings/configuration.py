"""All that a node is configured with, read and held against each other: settings, schema sets, agreements, policies.

`load_configuration` is what a start needs; `check_configuration` is the same without a start. Every part is read even
when another is wrong, so that one run shows everything there is to mend.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.bundled import schema_folder
from gateway.domain.access import Role
from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding, Level
from gateway.policy import Action
from gateway.schema import read_tree
from gateway.settings.agreements import AgreementBook, read_agreements
from gateway.settings.node import read_node
from gateway.settings.privacy import override_all
from gateway.settings.schemas import Catalogue, load_catalogues
from gateway.settings.values import NodeSettings

__all__ = ["Configuration", "check_configuration", "load_configuration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A node's settings, its schema sets, and its agreements with their policies. Can be sent to worker processes.

    `warnings`: what does not fit together, and yet keeps nothing from starting; those of policies are the book's.
    """

    node: NodeSettings
    catalogue: Catalogue
    book: AgreementBook
    warnings: tuple[Finding, ...] = ()


def load_configuration(path: Path) -> Configuration:
    """Return the configuration that starts with the TOML file at `path`.

    Raises ConfigurationError: `config.not_found` when that file can not be read, else `config.invalid` with every
    finding of every file.
    """
    findings: list[Finding] = []
    node, catalogue, book = None, None, None
    try:
        node, found = read_node(path)
        findings += sorted(found, key=lambda one: (one.line or 0, one.key))
    except ConfigurationError as error:
        if error.code == "config.not_found":
            raise
        findings += error.findings
    folders, schemas = (node.agreements, node.schemas) if node is not None else _folders(path)
    try:
        catalogue = load_catalogues(schema_folder(), schemas)
        catalogue, unread = override_all(catalogue, node.privacy if node is not None else {}, node_file=str(path))
        book, wrong = read_agreements(folders, catalogue, schemas)
        findings += (*unread, *wrong)
        if node is not None:
            findings += (*_disagreements(node, book), *_without_secret(node, book))
            findings += () if wrong else _without_agreement(node, book)
            findings += [one for one in _unread_privacy(node, catalogue, book) if one not in wrong]
    except ConfigurationError as error:
        findings += error.findings
    if findings or node is None or catalogue is None or book is None:
        raise ConfigurationError("config.invalid", findings=tuple(findings))
    warnings = tuple(_without_officers(node, book))
    return Configuration(node=node, catalogue=catalogue, book=book, warnings=warnings)


def check_configuration(path: Path) -> tuple[Finding, ...]:
    """Return everything that is wrong with the configuration at `path`; nothing when a node may start with it."""
    try:
        load_configuration(path)
    except ConfigurationError as error:
        return error.findings
    return ()


def _folders(path: Path) -> tuple[tuple[Path, ...], Path | None]:
    """Return the folders of agreements and schema sets that a settings file with errors names, if it does."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return (), None
    named = raw.get("agreements")
    agreements = (
        [path.absolute().parent / one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    )
    schemas = raw.get("schemas")
    folder = path.absolute().parent / schemas if isinstance(schemas, str) else None
    return tuple(one for one in agreements if one.is_dir()), folder if folder is not None and folder.is_dir() else None


def _disagreements(node: NodeSettings, book: AgreementBook) -> Iterator[Finding]:
    """Agreements and settings that do not fit: nobody of ours, or a partner whom the settings do not know."""
    ours = {party.id for party in node.parties}
    partners = {partner.id for partner in node.partners}
    for agreement in book.agreements:
        file = book.files[agreement.id, agreement.version]
        if not ours & agreement.parties:
            problem = f"is between {', '.join(sorted(agreement.parties))}, none of them a party of this node"
            yield Finding(file=file, key="parties", problem=problem, fix="Move the file away, or add the party")
            continue
        for stranger in sorted(agreement.parties - ours - partners):
            problem = f"names {stranger}, which the settings do not know"
            fix = f'Add [[partners]] with id = "{stranger}" and the folder of its bundle, or move the agreement away'
            yield Finding(file=file, key="parties", problem=problem, fix=fix)


def _without_secret(node: NodeSettings, book: AgreementBook) -> Iterator[Finding]:
    """Policies of flows that our parties send in, and that ask for pseudonyms, where no secret makes them."""
    if node.pseudonyms is not None:
        return
    ours = {party.id for party in node.parties}
    sent = {flow.policy_sha256 for one in book.agreements for flow in one.flows if flow.sender in ours}
    for policy in sorted((book.policies[one] for one in sent), key=lambda one: one.file):
        rule = next((one for one in policy.rules if one.action is Action.PSEUDONYMISE), None)
        if rule is not None:
            problem = f"has no secret, and the policy {policy.id} pseudonymises ({policy.place(rule)})"
            fix = "Run `gateway policy secret FILE` once and add [pseudonyms] with `secret`; keep a copy of the file"
            yield Finding(file=node.file, key="pseudonyms.secret", problem=problem, fix=fix)


def _without_officers(node: NodeSettings, book: AgreementBook) -> Iterator[Finding]:
    """Agreements under which we send and that ask for more officers than there are: what is held could never go."""
    ours = {party.id for party in node.parties}
    officers = [client.id for client in node.clients if Role.OFFICER in client.roles]
    for agreement in book.agreements:
        if agreement.release_approvals <= max(1, len(officers)) or not ours & {one.sender for one in agreement.flows}:
            continue
        there_is = "one client" if len(officers) == 1 else "no client"
        yield Finding(
            file=book.files[agreement.id, agreement.version],
            key="release",
            problem=f"asks for {agreement.release_approvals} officers, and {there_is} of this node has the role "
            "officer, so that what is held could never be released",
            fix=f'Register a client for each in {node.file}: [[clients]] with roles = ["officer"]',
            level=Level.WARNING,
        )


def _unread_privacy(node: NodeSettings, catalogue: Catalogue, book: AgreementBook) -> Iterator[Finding]:
    """What is wrong with the privacy file of a set that no policy names: nothing else reads the tree of such a set."""
    for set_id in sorted(node.privacy.keys() & catalogue.keys() - book.trees.keys()):
        try:
            read_tree(catalogue[SchemaSetId(set_id)])
        except ConfigurationError as error:
            yield from error.findings


def _without_agreement(node: NodeSettings, book: AgreementBook) -> Iterator[Finding]:
    """Partners that no agreement names; to be asked only when every agreement could be read."""
    partners = {partner.id for partner in node.partners}
    known = {party for agreement in book.agreements for party in agreement.parties}
    for stranger in sorted(partners - known):
        problem = f"lists the partner {stranger}, with which there is no agreement"
        yield Finding(file=node.file, key="partners", problem=problem, fix="Add the agreement, or remove the partner")
