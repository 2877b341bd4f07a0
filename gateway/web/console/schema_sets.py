"""Schema sets as pages: what stands where in a set, and what a value there could do in wrong hands.

They show what `gateway schema facts` shows, of the sets that agreements name; nothing of any document.
"""

from collections import Counter
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.ids import SchemaSetId
from gateway.errors import SchemaError
from gateway.schema import AttributeFacts, Classed, PrivacyClass, SchemaNode, expectation
from gateway.web.console.pages import page
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query

__all__ = ["ROUTES"]

_QUERY: Final = frozenset({"path", "class"})


async def _schema_sets(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    known = [
        {
            "id": set_id,
            "release": rules.release,
            "title": rules.title,
            "kinds": sorted(rules.kinds),
            "sha256": rules.sha256,
        }
        for set_id, (rules, _) in sorted(parts.schema_sets().items())
    ]
    return page(request, parts, "schema_sets.html", caller=caller, sets=known)


async def _schema_set(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, _QUERY, form=True)
    asked, wanted = query.text("path") or "", query.choice("class", PrivacyClass)
    known, set_id = parts.schema_sets(), SchemaSetId(request.match_info["id"])
    if set_id not in known:
        raise SchemaError("schema.unknown_set", "No agreement in force here names a schema set of this id")
    rules, tree = known[set_id]
    tops = tree.find(asked) if asked else tree.homes
    below = [node for top in tops for node in tree.below(top)]
    counts = Counter(node.privacy for top in tree.homes for node in tree.below(top) if node.privacy is not None)
    return page(
        request,
        parts,
        "schema_set.html",
        caller=caller,
        id=set_id,
        release=rules.release,
        title=rules.title,
        counts=[(privacy.value, counts[privacy]) for privacy in PrivacyClass],
        asked=asked,
        wanted="" if wanted is None else wanted.value,
        places=[_place(node) for node in below if wanted is None or node.privacy is wanted],
        guessed=any(node.classed is not None and node.classed.guessed for node in tree.nodes.values()),
    )


def _place(node: SchemaNode) -> dict[str, Any]:
    above, _, name = node.path.rpartition("/")
    most = "*" if node.most is None else str(node.most)
    return {
        "above": f"{above}/",
        "name": name,
        "path": node.path,
        "wco_id": node.wco_id,
        "often": most if most == str(node.least) else f"{node.least}..{most}",
        "value": "" if node.value is None else expectation(node.value),
        "repeats": node.repeats,
        **_class(node.classed),
        "attributes": [_attribute(one) for one in node.attributes.values()],
    }


def _attribute(one: AttributeFacts) -> dict[str, Any]:
    return {"name": one.name, "required": one.required, "value": expectation(one.value), **_class(one.classed)}


def _class(classed: Classed | None) -> dict[str, Any]:
    if classed is None:
        return {"privacy": "", "reason": "", "guessed": False}
    return {"privacy": classed.privacy.value, "reason": classed.reason, "guessed": classed.guessed}


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/schema-sets", handler=_schema_sets, admits=READERS),
    Route(method="GET", path="/console/schema-sets/{id}", handler=_schema_set, admits=READERS),
)
