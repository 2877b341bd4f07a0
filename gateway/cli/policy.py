"""`gateway policy`: check a policy, and see what it does to a document. Needs no node and no configuration."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.catalogue import CatalogueFolder, schema_sets
from gateway.cli.codelist import catalogue_of
from gateway.cli.output import AsJson, finding_members, print_json, reporting, say, say_findings
from gateway.cli.policy_cases import run_cases
from gateway.cli.policy_coverage import cover
from gateway.cli.policy_diff import diff_document
from gateway.cli.policy_explain import explain_document
from gateway.cli.policy_history import history, restore
from gateway.cli.policy_simulate import simulate
from gateway.cli.policy_text import print_schema, show_policy

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Policies: check, explain, diff, coverage, test, simulate, show, schema.")
app.command("explain")(explain_document)
app.command("diff")(diff_document)
app.command("coverage")(cover)
app.command("test")(run_cases)
app.command("simulate")(simulate)
app.command("show")(show_policy)
app.command("schema")(print_schema)
app.command("history")(history)
app.command("restore")(restore)

Given = Annotated[Path, typer.Argument(help="Policy file (YAML).", exists=True, dir_okay=False)]


@app.command("check")
def check_file(
    file: Given,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check a policy: its language, its paths, and whether its views can be valid. Prints every finding at once.

    A node does not start with an error. It starts with a warning, and logs it.
    """
    from gateway.errors import ConfigurationError
    from gateway.policy import check_policy, unknown_set
    from gateway.schema import compile_set
    from gateway.settings import draft_policy_file

    with reporting(as_json=as_json):
        policy, findings = draft_policy_file(file)
        if policy is not None and policy.schema_set:
            whole = not findings
            sets = schema_sets(catalogue)
            if policy.schema_set in sets:
                compiled = compile_set(sets[policy.schema_set])
                findings += check_policy(policy, compiled, whole=whole, codes=catalogue_of(None))
            else:
                findings += (unknown_set(policy, sets),)
        if policy is None or any(strict or one.is_error for one in findings):
            only_warned = policy is not None and not any(one.is_error for one in findings)
            detail = "The policy has warnings, which --strict does not pass" if only_warned else ""
            raise ConfigurationError("policy.invalid", detail, findings=findings)
    if as_json:
        named = {"file": str(file), "policy": policy.id, "version": policy.version, "sha256": policy.sha256}
        print_json({**named, "findings": [], "warnings": [finding_members(one) for one in findings]})
    else:
        say_findings(findings)
        say(f"{policy.id} version {policy.version} holds: {len(policy.rules)} rules for {policy.schema_set}")
        say(f"SHA-256 {policy.sha256}")


@app.command("secret")
def make_secret(
    file: Annotated[Path, typer.Argument(help="Where to write it; must not exist.", dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Make the secret behind a node's pseudonyms, readable by its owner only. Once for each node; keep a copy."""
    from gateway.trust import create_pseudonym_secret

    with reporting(as_json=as_json):
        create_pseudonym_secret(file)
    if as_json:
        print_json({"file": str(file)})
    else:
        say(f"Made {file}. Name it in the node's settings: [pseudonyms] secret")
