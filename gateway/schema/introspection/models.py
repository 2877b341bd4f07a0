"""Content models and identity constraints, out of xmlschema's components, as values."""

from collections.abc import Iterable, Mapping
from typing import Any

from xmlschema import XsdElement
from xmlschema.validators import XsdAnyElement, XsdGroup

from gateway.schema.facts.models import UNLISTED, Identity, Model, Way
from gateway.schema.sets import XSD


def model_of(group: XsdGroup, everything: Iterable[Any]) -> Model | None:
    """Return the model of a class; None where the bounds of its children say as much. `everything`: global elements."""
    model = _particle(group, tuple(everything))
    names = list(_names(model))
    return None if _is_plain(model) and len(names) == len(set(names)) else model


def _particle(particle: Any, everything: tuple[Any, ...]) -> Model:
    least, most = particle.min_occurs, particle.max_occurs
    if isinstance(particle, XsdElement):
        return Model(least, most, names=_standing(particle))
    if isinstance(particle, XsdAnyElement):
        taken = (one for one in everything if particle.is_namespace_allowed(one.target_namespace))
        listed = () if particle.process_contents == "skip" else tuple(one.name for one in taken)
        return Model(least, most, names=listed if particle.process_contents == "strict" else (*listed, UNLISTED))
    parts = tuple(_particle(one, everything) for one in particle.content if one.max_occurs != 0)
    return Model(least, most, parts=parts, is_choice=particle.model == "choice" and len(parts) > 1)


def _standing(particle: XsdElement) -> tuple[str, ...]:
    """The names under which an element of a model may stand: its own, and those of its substitution group."""
    declaration = particle if particle.ref is None else particle.ref
    others = sorted({one.name for one in particle.iter_substitutes() if not one.abstract})
    return tuple(others) if declaration.abstract else (declaration.name, *others)


def _is_plain(model: Model) -> bool:
    """Whether a particle is a sequence of single elements and of such sequences, each once."""
    if not model.parts:
        return len(model.names) == 1 and model.names[0] != UNLISTED
    once = model.least == 1 and model.most == 1
    return once and not model.is_choice and all(map(_is_plain, model.parts))


def _names(model: Model) -> Iterable[str]:
    yield from model.names
    for part in model.parts:
        yield from _names(part)


# ── what must tell apart ─────────────────────────────────────────────────────────────────────────────────────────────


def identities_of(declaration: XsdElement) -> tuple[Identity, ...]:
    """Return the constraints that an element declaration puts on what is in it."""
    return tuple(_identity(one) for one in declaration.identities)


def _identity(found: Any) -> Identity:
    names: Mapping[str, str] = found.schema.namespaces
    refer = getattr(found, "refer", None)
    return Identity(
        kind=found.elem.tag.removeprefix(XSD),
        name=found.name,
        selected=_ways(found.selector.path, names),
        fields=tuple(_ways(field.path, names) for field in found.fields),
        refers=getattr(refer, "name", refer) or "",
    )


def _ways(text: str, names: Mapping[str, str]) -> tuple[Way, ...]:
    return tuple(_way("".join(one.split()), names) for one in text.split("|"))


def _way(text: str, names: Mapping[str, str]) -> Way:
    is_anywhere = text.startswith(".//")
    steps = [one for one in text.removeprefix(".//").replace("child::", "").split("/") if one not in ("", ".")]
    last = steps[-1] if steps else ""
    if last.startswith(("attribute::", "@")):
        steps.pop()
        last = last.removeprefix("attribute::").removeprefix("@")
    else:
        last = ""
    return Way(tuple(_named(one, names) for one in steps), is_anywhere, _named(last, names) if last else "")


def _named(name: str, names: Mapping[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    return f"{{{names.get(prefix, '')}}}{local}" if colon else name
