"""Random policies that pass the static check, and random valid documents made of the samples."""

import copy
from functools import cache

from hypothesis import strategies as st
from lxml import etree

from gateway.document import read
from gateway.policy import CompiledPolicy, Policy, check_policy, compile_policy
from gateway.schema import CompiledSet, ValidDocument, validate
from tests.unit.policy.rules import HEAD, policy
from tests.unit.schema.sets import DATA, LIMITS, bundled

BASE = {
    "dms-declaration": ("/MetaData/Declaration/FunctionCode", "/MetaData/Declaration/TypeCode"),
    "dms-response": ("/MetaData/Response/FunctionCode", "/MetaData/Response/Declaration/FunctionalReferenceID"),
    "dms-cancellation": tuple(
        f"/MetaData/Declaration/{leaf}"
        for leaf in (
            *("FunctionCode", "ID", "TypeCode"),
            *("AdditionalInformation/StatementDescription", "Amendment/ChangeReasonCode"),
        )
    ),
}
SETS = tuple(BASE)
SAMPLES = {
    "dms-declaration": (
        *("import-two-items", "export-one-item", "amendment", "arrival", "transit-bare-declaration"),
        *("import-many-parties", "import-comments-and-free-texts", "import-names-in-many-scripts"),
    ),
    "dms-response": ("response-accepted", "responses-tax-and-error", "response-rejected", "response-control"),
    "dms-cancellation": ("cancellation", "cancellation-of-export", "cancellation-bare"),
}


@cache
def paths(set_id: str) -> tuple[str, ...]:
    """Return every path a rule may name."""
    return tuple(path for path in bundled(set_id).tree.nodes if path.startswith("/MetaData/"))


@cache
def used_paths(set_id: str) -> tuple[str, ...]:
    """Return the paths that the samples use, so that random rules meet something."""
    found = set[str]()
    for name in SAMPLES[set_id]:
        root = read((DATA / "samples" / "valid" / f"{name}.xml").read_bytes(), LIMITS).root
        _collect(root, "" if str(root.tag).endswith("}MetaData") else "/MetaData", None, found)
    return tuple(sorted(found & set(paths(set_id))))


def _collect(element: etree._Element, above: str, parent: str | None, found: set[str]) -> None:
    namespace, _, local = str(element.tag)[1:].rpartition("}")
    foreign = parent is not None and parent.endswith("RES-DMS:2") and namespace.endswith("DEC-DMS:2")
    path = f"{above}/{'dec:' if foreign else ''}{local}"
    found.add(path)
    for child in element:
        _collect(child, path, namespace, found)


def mended(lines: dict[str, str], set_id: str) -> Policy:
    """Return the policy of these rules (path → YAML) without those that the static check refuses."""
    head = HEAD.replace("dms-declaration", set_id)
    while True:
        found = policy("".join(f"  - {lines[path]}\n" for path in lines), head)
        findings = [one for one in check_policy(found, bundled(set_id)) if one.is_error]
        if not findings:
            return found
        bad = {rule.path for rule in found.rules for one in findings if one.line == rule.line}
        bad = bad - set(BASE[set_id]) or set(lines) - set(BASE[set_id])
        lines = {path: line for path, line in lines.items() if path not in bad}


@st.composite
def policies(draw: st.DrawFn, set_id: str) -> Policy:
    """A policy with up to a dozen rules on places, most of which the samples have."""
    some = st.sampled_from(used_paths(set_id)) | st.sampled_from(paths(set_id))
    chosen = draw(st.lists(some, min_size=0, max_size=12, unique=True))
    lines = {path: f"keep: {path}" for path in BASE[set_id]}
    for path in chosen:
        action = draw(st.sampled_from(["keep", "keep", "drop"]))
        named = draw(st.sampled_from(["required", "[unitCode, formatCode, currencyID]", "required"]))
        if path not in lines:
            lines[path] = (
                f"{{keep: {path}, attributes: {_fitting(named, path, set_id)}}}"
                if action == "keep"
                else (f"drop: {path}")
            )
    return mended(lines, set_id)


def _fitting(named: str, path: str, set_id: str) -> str:
    """Name only attributes that something below the path takes."""
    if named == "required":
        return named
    nodes = bundled(set_id).tree.nodes.items()
    taken = {name for place, node in nodes if f"{place}/".startswith(f"{path}/") for name in node.attributes}
    return f"[{', '.join(sorted(taken & {'unitCode', 'formatCode', 'currencyID'}))}]"


def compiled(found: Policy) -> CompiledPolicy:
    return compile_policy(found, bundled(found.schema_set))


@st.composite
def documents(draw: st.DrawFn, set_id: str) -> ValidDocument:
    """A sample from which some optional elements were taken away or doubled, still valid; with odd surroundings."""
    name = draw(st.sampled_from(SAMPLES[set_id]))
    root = copy.deepcopy(read((DATA / "samples" / "valid" / f"{name}.xml").read_bytes(), LIMITS).root)
    compiled_set = bundled(set_id)
    for share in draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=8)):
        _change(root, share, compiled_set, double=draw(st.booleans()))
    raw = etree.tostring(root, encoding="UTF-8", pretty_print=draw(st.booleans()))
    if draw(st.booleans()):
        raw = b"<!-- by the way --><?odd thing?>" + raw.replace(b"></", b"><!-- a --><?b c?></")
    return validate(read(raw, LIMITS), compiled_set)


def _change(root: etree._Element, share: float, compiled_set: CompiledSet, *, double: bool) -> None:
    elements = list(root.iterdescendants())
    chosen = elements[int(share * len(elements))]
    parent = chosen.getparent()
    assert parent is not None
    place = parent.index(chosen)
    if double:
        parent.insert(place, copy.deepcopy(chosen))
        if not compiled_set.accepts(root):
            del parent[place]
        return
    del parent[place]
    if not compiled_set.accepts(root):
        parent.insert(place, chosen)
