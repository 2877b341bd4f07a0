"""The policy language: what a policy file says, as values. How it is applied stands in apply.py.

    policy: gb-fr-customs            # its name
    version: 1
    schema_set: dms-declaration      # the set its selectors are held against
    include: [parts/credentials.yaml]
    paths:
      contact-data: [//Contact, //Communication]
    rules:
      - keep: /MetaData/Declaration
        attributes: required         # or a list of names; without it no attribute is kept
        reason: what the partner needs it for
        legal: the article that permits it
      - drop: set:contact-data
      - generalise: //AcceptanceDateTime/DateTimeString
        to: month
        when: {kind: [declaration]}

Default deny: what no rule keeps does not leave. A rule speaks for what its selector stands on and everything below,
until a rule that stands deeper speaks instead, so the order of rules means nothing (rulings.py). selectors.py,
conditions.py and rules.py hold the values; parts.py reads one file, joining.py takes in what it includes; flatten.py
has the hash and the policy without includes.
"""

from typing import Final

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding
from gateway.policy.language.flatten import flatten, policy_sha256
from gateway.policy.language.joining import Include, Parts, join, read_parts
from gateway.policy.language.rules import Action, Attributes, Consistency, Demand, Policy, Rule

__all__ = [
    "Action",
    "Attributes",
    "Consistency",
    "Demand",
    "Include",
    "Policy",
    "Rule",
    "draft_policy",
    "flatten",
    "policy_sha256",
    "read_policy",
]

MAX_RULES: Final = 2000


def read_policy(raw: bytes, *, file: str, include: Include | None = None) -> Policy:
    """Return the policy written in `raw`; `file` names it in findings. `include`: gives the files it includes.

    Raises ConfigurationError `policy.invalid` with every finding that needs no schema set; `check_policy` has the rest.
    """
    policy, findings = draft_policy(raw, file=file, include=include)
    if findings or policy is None:
        raise ConfigurationError("policy.invalid", findings=findings)
    return policy


def draft_policy(raw: bytes, *, file: str, include: Include | None = None) -> tuple[Policy | None, tuple[Finding, ...]]:
    """Return what could be read of a policy, and what is wrong with it so far. With findings, rules may be missing."""
    parts = read_parts(raw, file=file, include=include)
    if not parts.parts:
        return None, tuple(parts.findings)
    first = next(iter(parts.parts.values()))
    joined = join(parts)
    _check_heads(parts)
    if len(joined.rules) > MAX_RULES:
        line = min((rule.line for rule in joined.rules if rule.file == file), default=None)
        fix = "Keep or drop whole classes instead of what is in them"
        first.reading.note(line, "rules", f"has more than {MAX_RULES} rules", fix)
    policy = Policy(
        id=first.policy,
        version=first.version,
        title=first.title,
        schema_set=SchemaSetId(first.schema_set),
        rules=joined.rules,
        require=joined.require,
        hold=joined.hold,
        consistency=joined.consistency,
        file=file,
        files=tuple(part.reading.file for part in parts.parts.values()),
        schema_set_line=first.schema_set_line,
        sha256=policy_sha256(
            policy_id=first.policy,
            version=first.version,
            title=first.title,
            schema_set=first.schema_set,
            rules=joined.rules,
            require=joined.require,
            hold=joined.hold,
            consistency=joined.consistency,
        ),
    )
    return policy, _findings(parts)


def _check_heads(parts: Parts) -> None:
    """An included file may say for which set it is; it must be the same."""
    first, *others = parts.parts.values()
    for part in others:
        if part.schema_set and part.schema_set != first.schema_set:
            problem = f"is written for the schema set {part.schema_set}, not for {first.schema_set}"
            part.reading.note(part.schema_set_line, "schema_set", problem, "Remove the key, or do not include the file")


def _findings(parts: Parts) -> tuple[Finding, ...]:
    own = (finding for part in parts.parts.values() for finding in part.reading.ordered())
    return (*parts.findings, *own)
