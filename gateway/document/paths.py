"""WCO paths: local names from the root, such as `/MetaData/Declaration/GoodsShipment/UCR/ID`.

A path names a place in a schema set; with indexes (`GovernmentAgencyGoodsItem[2]`, from 1 among siblings of one name)
it names an element of a document. Local names are enough but for one case: a response holds a `Declaration` of its own
and, after it, a whole one of the declaration's namespace. The second is written `dec:Declaration`, in every release: it
is the one that is of another namespace than the `Response` around it.
"""

from collections.abc import Callable
from typing import Final

from lxml import etree

from gateway.document.names import DECLARATION, RESPONSE, split_name

_NESTED: Final = "dec:"


def segment(name: str, parent: str | None) -> str:
    """Return the path segment of the element with qualified name `name` under `parent` (None: a root)."""
    namespace, local = split_name(name)
    if parent is None:
        return local
    around, holder = split_name(parent)
    nested = local == "Declaration" and holder == "Response" and namespace != around
    return f"{_NESTED}{local}" if nested or (around, namespace) == (RESPONSE, DECLARATION) else local


def wco_path(element: etree._Element) -> str:
    """Return the path of `element` without indexes."""
    parent = element.getparent()
    if parent is None:
        return "/" + segment(_name(element), None)
    return f"{wco_path(parent)}/{segment(_name(element), _name(parent))}"


def indexed_path(element: etree._Element, is_known: Callable[[str], bool] = lambda _: True) -> str:
    """Return the path of `element` with an index wherever siblings share its name.

    A local name for which `is_known` is false is written `*`, with its index among all siblings: names that no schema
    knows are the sender's own words.
    """
    parent = element.getparent()
    name = _name(element) if is_known(split_name(_name(element))[1]) else "*"
    if parent is None:
        return "/" + segment(name, None)
    before = sum(1 for _ in element.itersiblings(name, preceding=True))
    alone = before == 0 and next(element.itersiblings(name), None) is None
    index = "" if alone and name != "*" else f"[{before + 1}]"
    return f"{indexed_path(parent, is_known)}/{segment(name, _name(parent))}{index}"


def _name(element: etree._Element) -> str:
    return str(element.tag)
