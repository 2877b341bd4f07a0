"""What bounds a value, out of a simple type of xmlschema: the facets of every step of its derivation.

Facets are taken as the schema writes them, in the lexical form. A later step may only narrow an earlier one (XSD 1.0
part 2, 4.1.2.1), so what it says replaces what was said before, but for patterns: those of one step are alternatives,
those of different steps must all match (4.3.4).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from xmlschema import XsdType
from xmlschema.validators import XsdAtomicBuiltin, XsdAtomicRestriction, XsdList, XsdSimpleType, XsdUnion

from gateway.schema.facts.nodes import ValueFacts
from gateway.schema.sets import XSD

ANY_VALUE: Final = ValueFacts(base="anySimpleType")
_SPECIAL: Final = frozenset({f"{XSD}anySimpleType", f"{XSD}anyAtomicType"})


def value_facts(kind: XsdType | None) -> ValueFacts:
    """Return what bounds a value of the type; for a complex type, of its simple content."""
    simple = kind if isinstance(kind, XsdSimpleType) else getattr(kind, "content", None)
    if not isinstance(simple, XsdSimpleType):
        return ANY_VALUE
    if simple.name is not None and simple.name.startswith(XSD):
        return ANY_VALUE if simple.name in _SPECIAL else ValueFacts(base=simple.local_name or "")
    if isinstance(simple, XsdList):
        return ValueFacts(base="string", item=value_facts(simple.item_type))
    if isinstance(simple, XsdUnion):
        return ValueFacts(base="string", either=tuple(value_facts(member) for member in simple.member_types))
    if isinstance(simple, XsdAtomicRestriction):
        return _restricted(value_facts(simple.base_type), simple.facets)
    return ValueFacts(base=simple.local_name or "") if isinstance(simple, XsdAtomicBuiltin) else ANY_VALUE


def _restricted(value: ValueFacts, facets: Mapping[str | None, Any]) -> ValueFacts:
    """Return `value` as one step of restriction narrows it. `facets`: those of the step itself, by qualified name."""
    for name, facet in facets.items():
        text = facet.elem.get("value", "")
        match (name or "").removeprefix(XSD):
            case "pattern":
                value = replace(value, patterns=(*value.patterns, _one_pattern(facet.regexps)))
            case "enumeration":
                value = replace(value, one_of=tuple(one.get("value", "") for one in facet))
            case "length":
                value = replace(value, min_length=facet.value, max_length=facet.value)
            case "minLength":
                value = replace(value, min_length=facet.value)
            case "maxLength":
                value = replace(value, max_length=facet.value)
            case "totalDigits":
                value = replace(value, total_digits=facet.value)
            case "fractionDigits":
                value = replace(value, fraction_digits=facet.value)
            # An inclusive bound takes the place of an exclusive one on its side, and the other way round.
            case "minInclusive":
                value = replace(value, least=text, above=None)
            case "minExclusive":
                value = replace(value, above=text, least=None)
            case "maxInclusive":
                value = replace(value, most=text, below=None)
            case "maxExclusive":
                value = replace(value, below=text, most=None)
            case _:  # whiteSpace: what it does follows from the base
                pass
    return value


def _one_pattern(alternatives: list[str]) -> str:
    return "|".join(f"(?:{one})" for one in alternatives) if len(alternatives) > 1 else alternatives[0]
