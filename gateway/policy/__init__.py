"""Policies: what leaves for whom, field by field. Language, static check, apply, inspect, explain.

Only `apply_policy` makes a View. docs/policy.md says what a policy may say and what it means.
"""

from gateway.policy.apply import apply_policy
from gateway.policy.changes import Change, ChangeKind
from gateway.policy.check import check_policy
from gateway.policy.compiled import CompiledPolicy, compile_policy, demands
from gateway.policy.conditions import Condition, Criterion
from gateway.policy.demands import Demanded, check_required, held_by
from gateway.policy.explain import Explained, explain
from gateway.policy.file_schema import policy_file_schema
from gateway.policy.inspect import inspect
from gateway.policy.joining import Include
from gateway.policy.language import draft_policy, flatten, policy_sha256, read_policy
from gateway.policy.pseudonyms import Pseudonyms
from gateway.policy.rules import Action, Consistency, Demand, Policy, Rule
from gateway.policy.rulings import Ruling, Rulings, rulings
from gateway.policy.selectors import Anchor, Selector, SelectorKind

__all__ = [
    "Action",
    "Anchor",
    "Change",
    "ChangeKind",
    "CompiledPolicy",
    "Condition",
    "Consistency",
    "Criterion",
    "Demand",
    "Demanded",
    "Explained",
    "Include",
    "Policy",
    "Pseudonyms",
    "Rule",
    "Ruling",
    "Rulings",
    "Selector",
    "SelectorKind",
    "apply_policy",
    "check_policy",
    "check_required",
    "compile_policy",
    "demands",
    "draft_policy",
    "explain",
    "flatten",
    "held_by",
    "inspect",
    "policy_file_schema",
    "policy_sha256",
    "read_policy",
    "rulings",
]
