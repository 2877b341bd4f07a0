"""Which policy a command is about: a policy file, or the one that an agreement file names for a recipient."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.catalogue import compiled_set, schema_sets
from gateway.cli.documents import document_bytes

if TYPE_CHECKING:
    from gateway.domain.message import MessageKind
    from gateway.policy import CompiledPolicy, Policy
    from gateway.schema import CompiledSet, ValidDocument

__all__ = ["AgreementFile", "DocumentFile", "Opened", "PolicyFile", "Recipient", "check_same_set", "open_document"]

DocumentFile = Annotated[Path, typer.Argument(help="Document (XML).", exists=True, dir_okay=False)]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="Policy file (YAML).", exists=True, dir_okay=False, metavar="FILE")
]
AgreementFile = Annotated[
    Path | None,
    typer.Option(
        "--agreement",
        help="Agreement file (YAML); its policy for --to.",
        exists=True,
        dir_okay=False,
        metavar="FILE",
    ),
]
Recipient = Annotated[str, typer.Option("--to", help="Recipient under the agreement, such as FR-DGDDI.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A valid document with the policy it is to be seen under, ready to use."""

    document: "ValidDocument"
    policy: "CompiledPolicy"
    compiled: "CompiledSet"


def open_document(
    document: Path, *, policy: Path | None, agreement: Path | None, to: str, catalogue: Path | None
) -> Opened:
    """Return a document, validated, and the policy that is named by a file or by an agreement and a recipient.

    Raises typer.BadParameter for options that do not go together, GatewayError for files that do not hold.
    """
    from gateway.document import read
    from gateway.domain.limits import DocumentLimits
    from gateway.policy import compile_policy
    from gateway.schema import validate
    from gateway.settings import read_policy_file

    if (policy is None) == (agreement is None):
        raise typer.BadParameter("give one of --policy and --agreement")
    if agreement is not None and not to:
        raise typer.BadParameter("is needed with --agreement", param_hint="--to")
    parsed = read(document_bytes(document), DocumentLimits())
    found = _of_agreement(agreement, to, parsed.kind, catalogue) if agreement else read_policy_file(policy or Path())
    compiled = compiled_set(found.schema_set, catalogue)
    return Opened(document=validate(parsed, compiled), policy=compile_policy(found, compiled), compiled=compiled)


def _of_agreement(file: Path, recipient: str, kind: "MessageKind", catalogue: Path | None) -> "Policy":
    """Return the policy for messages of this kind to `recipient`. Raises AgreementError or ConfigurationError."""
    from gateway.errors import AgreementError
    from gateway.settings import load_agreements

    book = load_agreements([file], schema_sets(catalogue))
    flows = [flow for one in book.agreements for flow in one.flows]
    for flow in flows:
        if flow.recipient == recipient and kind in flow.kinds:
            return book.policies[flow.policy_sha256]
    told = "; ".join(f"{flow.recipient} gets {', '.join(sorted(flow.kinds))}" for flow in flows)
    raise AgreementError(
        "agreement.kind_not_covered", f"{file} lets nobody send a message of kind {kind} to that recipient: {told}"
    )


def check_same_set(one: "Policy", other: "Policy") -> None:
    """Raise ConfigurationError unless both policies are for one schema set, so that they can be compared."""
    from gateway.errors import ConfigurationError, Finding

    if one.schema_set == other.schema_set:
        return
    problem = f"is for {other.schema_set}, while {one.files[0]} is for {one.schema_set}"
    fix = "Compare policies that are for one schema set"
    raise ConfigurationError(
        "policy.invalid", findings=(Finding(file=other.files[0], key="schema_set", problem=problem, fix=fix),)
    )
