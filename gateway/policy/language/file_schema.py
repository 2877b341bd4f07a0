"""The JSON Schema of policy files (draft 2020-12), for editors that complete and underline while somebody writes.

It says the form: which keys there are, what may stand under them, and that a rule has one action with what belongs to
it. What a selector stands on, and whether names are known, only the check can tell. Built from the same words as the
reader (parts.py), so neither can have one that the other lacks.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.policy.language.conditions import BUILT_IN
from gateway.policy.language.reading import MAX_TEXT
from gateway.policy.language.rules import MENDING, REFUSE, Action
from gateway.policy.language.selectors import MAX_LEAPS
from gateway.schema import PrivacyClass

__all__ = ["policy_file_schema"]

_NAME: Final = r"^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$"
_LETTERS: Final = "[A-Za-z_][A-Za-z0-9_.-]{0,127}"
_STEP: Final = rf"(\*|([a-z][a-z0-9]{{0,15}}:)?{_LETTERS})"
_PATH: Final = rf"(//?{_STEP})+(//?@{_LETTERS})?|//@{_LETTERS}|wco:[A-Za-z0-9][A-Za-z0-9.-]{{0,31}}"
_SET: Final = r"set:[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?"
_FEW_LEAPS: Final = rf"(?!(.*//){{{MAX_LEAPS + 1}}})"
_SELECTOR: Final = rf"^{_FEW_LEAPS}({_PATH}|{_SET}|privacy:({'|'.join(PrivacyClass)}))$"
_PLACE: Final = rf"^{_FEW_LEAPS}({_PATH})$"
_NO_CONTROLS: Final = r"[^\u0000-\u0009\u000b-\u001f]"
_BELONGING: Final[Mapping[Action, tuple[str, ...]]] = {
    Action.GENERALISE: ("to", "digits", "prefix", "bands"),
    Action.TRUNCATE: ("length",),
    Action.REPLACE: ("with",),
}
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 10_000}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_more(name: str) -> dict[str, Any]:
    return {"anyOf": [_ref(name), {"type": "array", "items": _ref(name), "minItems": 1}]}


def policy_file_schema() -> dict[str, Any]:
    """Return the schema, as values that JSON can hold."""
    demands = {"type": "array", "items": _ref("demand"), "minItems": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policy",
        "description": "Which fields of a document leave for a partner. What no rule keeps does not leave.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "policy": {**_ref("name"), "description": "The name of the policy"},
            "version": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "title": _ref("text"),
            "schema_set": {**_ref("name"), "description": "The set its selectors are held against"},
            "include": {**_one_or_more("text"), "description": "Files beside this one or below"},
            "shared": {"type": "boolean", "description": "Of an included file: its rules may stand nowhere in a set"},
            "paths": {
                "type": "object",
                "propertyNames": _ref("name"),
                "additionalProperties": _one_or_more("selector"),
                "description": "Named sets of selectors, used as set:NAME",
            },
            "criteria": {
                "type": "object",
                "propertyNames": {**_ref("name"), "not": {"enum": list(BUILT_IN)}},
                "additionalProperties": _ref("place"),
                "description": "Names for places that conditions ask",
            },
            "rules": {"type": "array", "items": _ref("rule")},
            "require": {**demands, "description": "The message is sent only if each of these holds"},
            "hold": {**demands, "description": "Where one of these holds, a person must release the message"},
            "consistency": {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: {"enum": [REFUSE, word]} for name, word in MENDING.items()},
            },
        },
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Any]:
    return {
        "name": {"type": "string", "pattern": _NAME},
        "text": {"type": "string", "maxLength": MAX_TEXT, "pattern": rf"^(?=[\s\S]*\S){_NO_CONTROLS}*$"},
        "selector": {"type": "string", "pattern": _SELECTOR},
        "place": {"type": "string", "pattern": _PLACE},
        "attribute": {"type": "string", "pattern": f"^{_LETTERS}$"},
        "value": {
            "type": ["string", "integer"],
            "maxLength": MAX_TEXT,
            "pattern": r"^(?=[\s\S]*\S)[^*\u0000-\u0009\u000b-\u001f]*\*?$",
            "minimum": 0,
        },
        "criterion": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {**_ref("name"), "description": f"One of {', '.join(BUILT_IN)}, or one of `criteria`"},
            "additionalProperties": _one_or_more("value"),
        },
        "demand": {
            "type": "object",
            "required": ["reason"],
            "anyOf": [{"required": ["when"]}, {"required": ["unless"]}],
            "additionalProperties": False,
            "properties": _asking(),
        },
        "rule": {"type": "object", "oneOf": [_rule(action) for action in Action]},
    }


def _asking() -> dict[str, Any]:
    return {
        "when": {**_ref("criterion"), "description": "Speaks only where all of these hold, one of the values each"},
        "unless": {**_ref("criterion"), "description": "Speaks only where none of these holds"},
        "reason": {**_ref("text"), "description": "Why; shown wherever a value is explained"},
        "legal": {**_ref("text"), "description": "Under what law"},
        "shared": {"type": "boolean", "description": "Made for several policies: may stand nowhere in this set"},
    }


def _rule(action: Action) -> dict[str, Any]:
    """One form of rule: its action with a selector or a list, what belongs to it, and nothing of the others."""
    properties: dict[str, Any] = {action.value: _one_or_more("selector"), **_asking()}
    if action is not Action.DROP:
        attributes = {"type": "array", "items": _ref("attribute"), "uniqueItems": True}
        properties["attributes"] = {"anyOf": [{"const": "required"}, attributes]}
    ways = _BELONGING.get(action, ())
    properties |= {way: _WAYS[way] for way in ways}
    form: dict[str, Any] = {"required": [action.value], "additionalProperties": False, "properties": properties}
    return {**form, "oneOf": [{"required": [way]} for way in ways]} if ways else form


_WAYS: Final[Mapping[str, Any]] = {
    "to": {"enum": ["year", "month", "country"]},
    "digits": {"enum": [2, 4, 6]},
    "prefix": _COUNT,
    "bands": {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 1},
    "length": _COUNT,
    "with": _ref("text"),
}
