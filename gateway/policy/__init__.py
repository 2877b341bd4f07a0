"""Policies: what leaves for whom, field by field. Language, static check, apply, inspect, explain.

Only `apply_policy` makes a View. docs/policy.md says what a policy may say and what it means.
"""

from gateway.policy.apply import apply_policy
from gateway.policy.check import check_policy
from gateway.policy.compiled import CompiledPolicy, compile_policy
from gateway.policy.explain import Explained, explain
from gateway.policy.inspect import inspect
from gateway.policy.language import Action, Policy, Rule, draft_policy, policy_sha256, read_policy

__all__ = [
    "Action",
    "CompiledPolicy",
    "Explained",
    "Policy",
    "Rule",
    "apply_policy",
    "check_policy",
    "compile_policy",
    "draft_policy",
    "explain",
    "inspect",
    "policy_sha256",
    "read_policy",
]
