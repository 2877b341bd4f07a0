"""The static check: what is wrong with a policy before any document is seen, in words an officer can act on.

A policy is held against every place of its schema set at once. First each rule is looked at by itself (rules.py): does
it stand anywhere, can its change fit, is it a code that somebody knows (codes.py), does another say the same
(meeting.py), can it be asked what it asks (conditions.py)? Then
what the rules come to together, with each condition taken both ways (worlds.py): could the view of every class stand
(views.py, standing.py), do values still tell apart (identities.py), what does it say of people (privacy.py), what is
kept inside of what is dropped (deeper.py), what would have to be counted anew (consistency.py)? All findings come back
together, each with file, line, and what to write instead.

With an error a policy is not used. A policy without errors gives, for every valid document, a valid view or a refusal;
warnings are about what somebody surely did not mean.
"""

from collections.abc import Iterable, Iterator

from gateway.errors import Finding
from gateway.policy.checking.codes import code_findings
from gateway.policy.checking.conditions import condition_findings
from gateway.policy.checking.consistency import consistency_findings
from gateway.policy.checking.deeper import deeper_findings
from gateway.policy.checking.identities import identity_findings
from gateway.policy.checking.privacy import privacy_findings
from gateway.policy.checking.rules import rule_findings, unknown_selectors
from gateway.policy.checking.standing import Standing, standing_findings
from gateway.policy.checking.views import view_findings
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.reading import nearest
from gateway.policy.language.rules import Policy
from gateway.schema import CodeCatalogue, CompiledSet

__all__ = ["check_policy", "unknown_set"]


def check_policy(
    policy: Policy, compiled: CompiledSet, *, whole: bool = True, codes: CodeCatalogue | None = None
) -> tuple[Finding, ...]:
    """Return everything wrong with a policy under the schema set it names; no error when it may be used.

    `whole` False: rules are missing that could not be read, so nothing is said that they might have changed.
    `codes`: the code lists there are; None: codes that the policy writes are not looked up.
    """
    found = tuple(_set_findings(policy, compiled))
    if found:
        return found
    worlds = Worlds(policy, compiled)
    findings = list(unknown_selectors(policy, worlds))
    # What follows from a rule can be told only when all rules have their places.
    whole = whole and not any(one.is_error for one in findings)
    findings += rule_findings(policy, worlds, whole=whole)
    findings += () if codes is None else code_findings(policy, worlds, codes)
    if whole:
        findings += condition_findings(policy, worlds)
        findings += view_findings(policy, worlds)
        findings += privacy_findings(policy, worlds)
        findings += deeper_findings(policy, worlds)
        if not any(one.is_error for one in findings):
            findings += consistency_findings(policy, worlds)
            standing = Standing(worlds)
            findings += standing_findings(policy, worlds, standing)
            findings += identity_findings(policy, worlds, standing)
    own_first = {name: index for index, name in enumerate((policy.file, *policy.files))}
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda one: (own_first.get(one.file, 0), one.line or 0, one.problem))
    )


def unknown_set(policy: Policy, known: Iterable[str]) -> Finding:
    """Return what is wrong with a policy whose schema set is none of those there are."""
    names = sorted(known)
    near = nearest(policy.schema_set, names)
    others = f"Write one of {', '.join(names)}, or add the set with `gateway schema add`"
    fix = f"Did you mean `{near}`?" if near else others
    return _about_set(policy, f"names the unknown schema set {policy.schema_set}", fix)


def _about_set(policy: Policy, problem: str, fix: str) -> Finding:
    return Finding(file=policy.file, line=policy.schema_set_line or None, key="schema_set", problem=problem, fix=fix)


def _set_findings(policy: Policy, compiled: CompiledSet) -> Iterator[Finding]:
    if policy.schema_set != compiled.id:
        problem = f"is written for the schema set {policy.schema_set}, not for {compiled.id}"
        fix = f"Write `schema_set: {compiled.id}`, or name another policy in the flow of the agreement"
        yield _about_set(policy, problem, fix)
        return
    unlisted = sorted({node.namespace for node in compiled.tree.nodes.values()} - {"", *compiled.prefixes.values()})
    if unlisted:
        problem = f"is under {compiled.id}, whose manifest does not list the namespace {unlisted[0]}"
        fix = "Add the set anew with `gateway schema add`, which lists them"
        yield _about_set(policy, problem, fix)
