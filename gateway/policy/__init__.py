"""Policies: what leaves for whom, field by field. Language, static check, apply, inspect, explain.

Only `apply_policy` makes a View, at once or step by step. docs/policy.md says what a policy may say and what it means.
"""

from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.checking.check import check_policy, unknown_set
from gateway.policy.language.changes import Change, ChangeKind
from gateway.policy.language.conditions import Condition, Criterion
from gateway.policy.language.file_schema import policy_file_schema
from gateway.policy.language.joining import Include
from gateway.policy.language.read import draft_policy, flatten, policy_sha256, read_policy
from gateway.policy.language.rules import Action, Consistency, Demand, Policy, Rule
from gateway.policy.language.selectors import Anchor, Selector, SelectorKind
from gateway.policy.ruling.rulings import Ruling, Rulings, rulings
from gateway.policy.telling.explain import Explained, explain
from gateway.policy.views.apply import apply_in_steps, apply_policy
from gateway.policy.views.compiled import CompiledPolicy, compile_policy, demands
from gateway.policy.views.demands import Demanded, check_required, held_by
from gateway.policy.views.inspect import inspect

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
    "apply_in_steps",
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
    "unknown_set",
]
