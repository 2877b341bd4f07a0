"""`gateway policy`: check a policy, and see what it does to a document. Needs no node and no configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set, schema_sets
from gateway.cli.output import AsJson, print_json, print_table, reporting, say

if TYPE_CHECKING:
    from gateway.domain.message import MessageKind
    from gateway.policy import Explained, Policy

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Policies: check, explain.")

Given = Annotated[Path, typer.Argument(help="Policy file (YAML).", exists=True, dir_okay=False)]


@app.command("check")
def check_file(file: Given, catalogue: CatalogueFolder = None, as_json: AsJson = False) -> None:
    """Check a policy: its language, its paths, and whether its views can be valid. Prints every finding at once."""
    from gateway.errors import ConfigurationError
    from gateway.policy import check_policy, draft_policy

    with reporting(as_json=as_json):
        policy, findings = draft_policy(file.read_bytes(), file=str(file))
        if policy is not None and policy.schema_set:
            whole = not findings
            findings += check_policy(policy, compiled_set(policy.schema_set, catalogue), whole=whole)
        if findings or policy is None:
            raise ConfigurationError("policy.invalid", findings=findings)
    if as_json:
        named = {"file": str(file), "policy": policy.id, "version": policy.version, "sha256": policy.sha256}
        print_json({**named, "findings": []})
    else:
        say(f"{policy.id} version {policy.version} holds: {len(policy.rules)} rules for {policy.schema_set}")
        say(f"SHA-256 {policy.sha256}")


@app.command("explain")
def explain_document(
    document: Annotated[Path, typer.Argument(help="Document (XML).", exists=True, dir_okay=False)],
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="Policy file (YAML).", exists=True, dir_okay=False)
    ] = None,
    agreement: Annotated[
        Path | None,
        typer.Option("--agreement", help="Agreement file (YAML); its policy for --to.", exists=True, dir_okay=False),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="Recipient under the agreement, such as FR-DGDDI.")] = "",
    only: Annotated[str, typer.Option(help="Show only `kept` or only `withheld` places.")] = "all",
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show for every value of a document whether it would leave, by which rule, and why. Shows no value."""
    from dataclasses import asdict

    from gateway.document import read
    from gateway.domain.limits import DocumentLimits
    from gateway.policy import compile_policy, explain
    from gateway.schema import validate

    if (policy_file is None) == (agreement is None):
        raise typer.BadParameter("give one of --policy and --agreement")
    if agreement is not None and not to:
        raise typer.BadParameter("is needed with --agreement", param_hint="--to")
    if only not in {"all", "kept", "withheld"}:
        raise typer.BadParameter("write kept, withheld or all", param_hint="--only")
    with reporting(as_json=as_json):
        parsed = read(document.read_bytes(), DocumentLimits())
        policy = _of_agreement(agreement, to, parsed.kind, catalogue) if agreement else _read(policy_file or Path())
        compiled = compiled_set(policy.schema_set, catalogue)
        found = explain(validate(parsed, compiled), compile_policy(policy, compiled))
    shown = [one for one in found if only == "all" or one.kept == (only == "kept")]
    if as_json:
        for one in shown:
            print_json(asdict(one))
    else:
        _show(shown, found, policy)


def _show(shown: "list[Explained]", found: "list[Explained]", policy: "Policy") -> None:
    rows = [
        ("keep" if one.kept else "–", one.path, one.rule, " · ".join(filter(None, (one.reason, one.note))))
        for one in shown
    ]
    print_table("", ("", "Place", "Rule", "Reason"), rows)
    full = [one for one in found if not one.is_empty]
    kept = sum(one.kept for one in full)
    say(f"{kept} kept, {len(full) - kept} withheld under {policy.id} version {policy.version}")


def _read(file: Path) -> "Policy":
    from gateway.policy import read_policy

    return read_policy(file.read_bytes(), file=str(file))


def _of_agreement(file: Path, recipient: str, kind: "MessageKind", catalogue: Path | None) -> "Policy":
    """Return the policy for messages of this kind to `recipient`. Raises AgreementError or ConfigurationError."""
    from gateway.errors import AgreementError
    from gateway.settings import load_agreements

    book = load_agreements([file.parent], schema_sets(catalogue))
    for one in book.agreements:
        if Path(book.files[one.id, one.version]).resolve() != file.resolve():
            continue
        for flow in one.flows:
            if flow.recipient == recipient and kind in flow.kinds:
                return book.policies[flow.policy_sha256]
        raise AgreementError("agreement.kind_not_covered", f"{one.id} lets nobody send a {kind} to that recipient")
    raise AgreementError("agreement.none", f"{file} holds no agreement")
