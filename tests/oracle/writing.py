"""A view written anew, piece by piece: the document is read from the root down beside the places of a policy, and what
has a place is written as text. How the gateway once made its views; now it cuts a copy, and this is held against it.
"""

import re
from collections.abc import Mapping

from lxml import etree

from gateway.policy import CompiledPolicy
from gateway.policy.views.places import Place

XSI = "http://www.w3.org/2001/XMLSchema-instance"
IN_TEXT = re.compile(r"[&<>\r]")
IN_ATTRIBUTE = re.compile(r'[&<>"\t\n\r]')
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def written_view(root: etree._Element, policy: CompiledPolicy) -> tuple[bytes, int, int] | None:
    """Return the bytes of the view, how many leaves and attributes with content are in it, and how many are not.

    None when nothing may be written.
    """
    place = policy.roots.get(root.tag)
    if place is None:
        return None
    out: list[str] = []
    kept = write_below(out, root, place, policy.prefixes)
    if kept is None:
        return None
    name, content = written_name(str(root.tag), policy.prefixes), "".join(out)
    attributes, number = kept_attributes(root, place)
    used = "".join(
        f' xmlns:{one}="{uri}"' for one, uri in policy.prefixes.items() if f"<{one}:" in f"<{name}>{content}"
    )
    xml = f'<?xml version="1.0" encoding="UTF-8"?><{name}{used}{attributes}>{content}</{name}>'
    total = sum(bool(value) for element in root.iter() for value in element.attrib.values())
    total += sum(bool(element.text) for element in root.iter() if len(element) == 0)
    return xml.encode(), kept + number, total - kept - number


def write_below(out: list[str], source: etree._Element, place: Place, prefixes: Mapping[str, str]) -> int | None:
    """Write what is kept below `source` and return how much it is; None: `source` itself must not stand."""
    kept, has_content = 0, False
    written: list[object] = []
    for child in source:
        below = place.children.get(child.tag)
        if below is None or (child.get(f"{{{XSI}}}nil") or "").strip() in ("true", "1"):
            continue
        name, mark = written_name(str(child.tag), prefixes), len(out)
        attributes, number = kept_attributes(child, below)
        if below.is_leaf:
            text = child.text
            out.append(f"<{name}{attributes}>{escaped(text)}</{name}>" if text else f"<{name}{attributes}/>")
            kept += 1 if text else 0
            has_content = True
        else:
            out.append(f"<{name}{attributes}>")
            inside = write_below(out, child, below, prefixes)
            if inside is not None:
                out.append(f"</{name}>")
                kept += inside
                has_content = True
            else:
                del out[mark:]
                if not below.may_be_empty or len(child):
                    continue
                out.append(f"<{name}{attributes}/>")
        kept += number
        written.append(child.tag)
    stands = has_content and all(written.count(tag) >= least for tag, least in place.required)
    return kept if stands else None


def kept_attributes(source: etree._Element, place: Place) -> tuple[str, int]:
    """Return the kept attributes of an element as written, and how many have content."""
    found = [(name, value) for name in place.attributes if (value := source.get(name)) is not None]
    texts = (f' {name}="{IN_ATTRIBUTE.sub(lambda match: ESCAPES[match[0]], value)}"' for name, value in found)
    return "".join(texts), sum(1 for _, value in found if value)


def written_name(qualified: str, prefixes: Mapping[str, str]) -> str:
    """Return a name as it is written."""
    if not qualified.startswith("{"):
        return qualified
    namespace, _, local = qualified[1:].rpartition("}")
    return f"{({uri: prefix for prefix, uri in prefixes.items()})[namespace]}:{local}"


def escaped(text: str) -> str:
    """Return a text as it stands between tags."""
    return IN_TEXT.sub(lambda match: ESCAPES[match[0]], text)
