"""`gateway rule`: the profile rules there are, and what they say of documents. Needs no node and no configuration."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set
from gateway.cli.output import AsJson, plain, print_json, print_lines, print_table, reporting, say

if TYPE_CHECKING:
    from gateway.domain.profile import Severity
    from gateway.errors import Violation
    from gateway.schema import CompiledProfile, CompiledSet, Rule, RuleSet

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Profile rules: list, show, check.")

Named = Annotated[
    str, typer.Option("--rules", help="Id of a rule set, such as dms-declaration, or a rule file (YAML).")
]


@app.command("list")
def list_rules(
    rules: Annotated[str, typer.Option("--rules", help="Only this rule set: an id, or a rule file (YAML).")] = "",
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the rules of every rule set. An agreement pins a set by the hash that stands here."""
    with reporting(as_json=as_json):
        found = [_rule_set(rules, catalogue)] if rules else _rule_sets(catalogue)
    for rule_set in found:
        if as_json:
            for rule in rule_set.rules:
                print_json(_facts(rule, rule_set))
            continue
        say(f"{rule_set.id} version {rule_set.version} for {rule_set.schema_set}, SHA-256 {rule_set.sha256}")
        rows = [(rule.id, rule.severity.value, rule.target.value, rule.title) for rule in rule_set.rules]
        print_table("", ("Rule", "Severity", "On", "What is wrong when it is broken"), rows)


@app.command("show")
def show_rule(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the rule, such as items-counted.")],
    rules: Named,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show one rule: what it says, what to do, where it is written, and its expression."""
    from gateway.errors import RequestError

    with reporting(as_json=as_json):
        rule_set = _rule_set(rules, catalogue)
        rule = rule_set.rule(rule_id)
        if rule is None:
            known = ", ".join(one.id for one in rule_set.rules)
            raise RequestError("request.not_found", f"{rule_set.id} has no such rule; it has {known}")
    if as_json:
        print_json(_facts(rule, rule_set))
        return
    lines: list[tuple[str, object]] = [
        ("Rule", f"{rule.id}, of {rule_set.id} version {rule_set.version}"),
        ("Wrong", rule.title),
        ("Expected", rule.expected),
        ("To do", rule.fix),
        ("Source", rule.source),
        ("Severity", rule.severity.value),
        ("On", f"{rule.target.value}; {', '.join(sorted(rule.kinds))}"),
        ("When", rule.when or "always"),
        ("Selects", rule.selects),
    ]
    print_lines(lines)


@app.command("check")
def check_documents(
    rules: Named,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Documents (XML); none: check the rules alone.", exists=True)
    ] = None,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check rules against their schema set, and documents against the rules.

    View rules are held against the documents too, as if they left as they are. Exit code 1 when a rule is wrong, or a
    document is invalid or breaks a rule whose severity is reject or hold.
    """
    from gateway.domain.profile import ProfileTerms
    from gateway.errors import ConfigurationError
    from gateway.schema import check_rules, compile_profile

    is_well = True
    with reporting(as_json=as_json):
        rule_set = _rule_set(rules, catalogue)
        compiled = compiled_set(rule_set.schema_set, catalogue)
        findings = check_rules(rule_set, compiled)
        if findings:
            raise ConfigurationError("config.invalid", findings=findings)
        if not files:
            _say_they_hold(rule_set, as_json=as_json)
        profile = compile_profile(ProfileTerms(), compiled, rule_set)
        for file in files or ():
            is_well = _check(file, compiled, profile, as_json=as_json) and is_well
    if not is_well:
        raise typer.Exit(1)


def _say_they_hold(rule_set: "RuleSet", *, as_json: bool) -> None:
    if as_json:
        named = {"rules": rule_set.id, "version": rule_set.version, "sha256": rule_set.sha256}
        print_json({**named, "findings": []})
    else:
        say(f"{rule_set.id} version {rule_set.version} holds: {len(rule_set.rules)} rules for {rule_set.schema_set}")
        say(f"SHA-256 {rule_set.sha256}")


def _check(file: Path, compiled: "CompiledSet", profile: "CompiledProfile", *, as_json: bool) -> bool:
    """Show what is wrong with one document; return whether it may leave without a person's word."""
    from gateway.document import read
    from gateway.domain.limits import DocumentLimits
    from gateway.domain.profile import Severity
    from gateway.errors import DocumentError, SchemaError
    from gateway.schema import judge, judge_view, validate

    try:
        document = validate(read(file.read_bytes(), DocumentLimits()), compiled)
    except (DocumentError, SchemaError) as error:
        _show_invalid(file, error, as_json=as_json)
        return False
    today = datetime.now(UTC).date()
    both = judge(document, profile, today), judge_view(document, profile, today)
    found = [
        (severity, violation)
        for one in both
        for severity, violations in (
            (Severity.REJECT, one.refused),
            (Severity.HOLD, one.held),
            (Severity.WARN, one.warned),
        )
        for violation in violations
    ]
    worst = next((word for word in Severity if any(severity is word for severity, _ in found)), None)
    _show(file, found, worst, as_json=as_json)
    return worst in (None, Severity.WARN)


def _show_invalid(file: Path, error: "Exception", *, as_json: bool) -> None:
    from gateway.errors import GatewayError

    code = error.code if isinstance(error, GatewayError) else ""
    if as_json:
        print_json({"file": str(file), "valid": False, "code": code, "verdict": None, "broken": []})
    else:
        say(f"INVALID {plain(str(file))}: {code}; gateway schema validate says why")


def _show(file: Path, found: "list[tuple[Severity, Violation]]", worst: "Severity | None", *, as_json: bool) -> None:
    if as_json:
        broken = [{"severity": severity.value, **violation.as_json()} for severity, violation in found]
        print_json({"file": str(file), "valid": True, "code": "", "verdict": worst and worst.value, "broken": broken})
        return
    say(f"{'well' if worst is None else worst.value.upper():7} {plain(str(file))}")
    for severity, one in found:
        say(f"        {severity.value}: line {one.line}, {plain(one.path)}: {one.message} [{one.rule}]")
        say(f"            {one.fix}")


def _rule_sets(catalogue: Path | None) -> "list[RuleSet]":
    from gateway.errors import ConfigurationError
    from gateway.settings.rule_file import read_rule_sets

    sets, findings = read_rule_sets(catalogue)
    if findings:
        raise ConfigurationError("config.invalid", findings=findings)
    return [sets[one] for one in sorted(sets)]


def _rule_set(named: str, catalogue: Path | None) -> "RuleSet":
    """Return the rule set with this id or in this file. Raises ConfigurationError or RequestError."""
    from gateway.errors import ConfigurationError, RequestError
    from gateway.settings.rule_file import draft_rule_set

    if Path(named).is_file():
        rule_set, findings = draft_rule_set(Path(named).read_bytes(), file=named)
        if findings or rule_set is None:
            raise ConfigurationError("config.invalid", findings=findings)
        return rule_set
    known = _rule_sets(catalogue)
    found = next((one for one in known if one.id == named), None)
    if found is None:
        there = ", ".join(one.id for one in known)
        raise RequestError("request.not_found", f"There is no rule set of this id and no such file; there are {there}")
    return found


def _facts(rule: "Rule", rule_set: "RuleSet") -> dict[str, Any]:
    return {
        "rules": rule_set.id,
        "sha256": rule_set.sha256,
        "id": rule.id,
        "title": rule.title,
        "expected": rule.expected,
        "fix": rule.fix,
        "source": rule.source,
        "severity": rule.severity.value,
        "on": rule.target.value,
        "kinds": sorted(rule.kinds),
        "when": rule.when,
        "selects": rule.selects,
    }
