"""Schema sets, validation, and what a set says about every place.

Sets come in as mappings from path to bytes; nothing here reads a disk or a network.
"""

from gateway.schema.adding import Wish, make_set
from gateway.schema.code_lists.bindings import Binding, CodeCatalogue, join_catalogues, read_catalogue
from gateway.schema.code_lists.checks import CompiledCodeLists, compile_code_lists, list_findings
from gateway.schema.code_lists.lists import Code, CodeList, find_list
from gateway.schema.explanation import Explanation, explain
from gateway.schema.facts.models import UNLISTED, Identity, Model, Way
from gateway.schema.facts.nodes import AttributeFacts, Classed, PrivacyClass, SchemaNode, SchemaTree, ValueFacts
from gateway.schema.facts.privacy_file import PrivacyFile, parse_privacy
from gateway.schema.introspection.tree import read_tree
from gateway.schema.profile import CompiledProfile, Judgement, compile_profile, judge, judge_view
from gateway.schema.rules.check import check_rules
from gateway.schema.rules.compiled import BrokenRule, CompiledRules, compile_rules
from gateway.schema.rules.language import Rule, RuleSet, RuleTarget, sealed_rule_set
from gateway.schema.sets import SchemaSet, assemble_set, check_id, check_set_valid, load_set, manifest_text, set_sha256
from gateway.schema.telling.refusal import door_violation
from gateway.schema.telling.words import expectation
from gateway.schema.validation import CompiledSet, ValidDocument, compile_set, validate, validate_view_root

__all__ = [
    "UNLISTED",
    "AttributeFacts",
    "Binding",
    "BrokenRule",
    "Classed",
    "Code",
    "CodeCatalogue",
    "CodeList",
    "CompiledCodeLists",
    "CompiledProfile",
    "CompiledRules",
    "CompiledSet",
    "Explanation",
    "Identity",
    "Judgement",
    "Model",
    "PrivacyClass",
    "PrivacyFile",
    "Rule",
    "RuleSet",
    "RuleTarget",
    "SchemaNode",
    "SchemaSet",
    "SchemaTree",
    "ValidDocument",
    "ValueFacts",
    "Way",
    "Wish",
    "assemble_set",
    "check_id",
    "check_rules",
    "check_set_valid",
    "compile_code_lists",
    "compile_profile",
    "compile_rules",
    "compile_set",
    "door_violation",
    "expectation",
    "explain",
    "find_list",
    "join_catalogues",
    "judge",
    "judge_view",
    "list_findings",
    "load_set",
    "make_set",
    "manifest_text",
    "parse_privacy",
    "read_catalogue",
    "read_tree",
    "sealed_rule_set",
    "set_sha256",
    "validate",
    "validate_view_root",
]
