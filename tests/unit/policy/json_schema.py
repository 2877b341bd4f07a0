"""Judges values by a JSON Schema (draft 2020-12), as far as the schema of policy files uses it. Unknown words raise."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda one: isinstance(one, Mapping),
    "array": lambda one: isinstance(one, Sequence) and not isinstance(one, str),
    "string": lambda one: isinstance(one, str),
    "integer": lambda one: isinstance(one, int) and not isinstance(one, bool),
    "number": lambda one: isinstance(one, int | float) and not isinstance(one, bool),
    "boolean": lambda one: isinstance(one, bool),
}


def holds(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Tell whether a value is valid under a schema; `root`: where references start."""
    return all(WORDS[word](value, said, schema, root) for word, said in schema.items() if word not in SILENT)


SILENT = {"$schema", "$defs", "title", "description"}


def _types(value: Any, said: Any) -> bool:
    return any(TYPES[one](value) for one in ([said] if isinstance(said, str) else said))


def _others(value: Any, said: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    others = [value[name] for name in value if name not in schema.get("properties", {})]
    return not others if said is False else all(holds(one, said, root) for one in others)


def _resolved(said: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for step in said.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


Word = Callable[[Any, Any, Mapping[str, Any], Mapping[str, Any]], bool]
WORDS: dict[str, Word] = {
    "$ref": lambda value, said, _, root: holds(value, _resolved(said, root), root),
    "type": lambda value, said, *_: _types(value, said),
    "const": lambda value, said, *_: bool(value == said),
    "enum": lambda value, said, *_: value in said,
    "pattern": lambda value, said, *_: not isinstance(value, str) or re.search(said, value) is not None,
    "minLength": lambda value, said, *_: not isinstance(value, str) or len(value) >= said,
    "maxLength": lambda value, said, *_: not isinstance(value, str) or len(value) <= said,
    "minimum": lambda value, said, *_: not TYPES["number"](value) or value >= said,
    "maximum": lambda value, said, *_: not TYPES["number"](value) or value <= said,
    "items": lambda value, said, _, root: not TYPES["array"](value) or all(holds(one, said, root) for one in value),
    "minItems": lambda value, said, *_: not TYPES["array"](value) or len(value) >= said,
    "uniqueItems": lambda value, *_: not TYPES["array"](value) or len(set(value)) == len(value),
    "minProperties": lambda value, said, *_: not TYPES["object"](value) or len(value) >= said,
    "required": lambda value, said, *_: not TYPES["object"](value) or set(said) <= set(value),
    "properties": lambda value, said, _, root: (
        not TYPES["object"](value) or all(holds(value[name], said[name], root) for name in value if name in said)
    ),
    "additionalProperties": lambda value, said, schema, root: (
        not TYPES["object"](value) or _others(value, said, schema, root)
    ),
    "propertyNames": lambda value, said, _, root: (
        not TYPES["object"](value) or all(holds(name, said, root) for name in value)
    ),
    "anyOf": lambda value, said, _, root: any(holds(value, one, root) for one in said),
    "oneOf": lambda value, said, _, root: sum(holds(value, one, root) for one in said) == 1,
    "not": lambda value, said, _, root: not holds(value, said, root),
}
