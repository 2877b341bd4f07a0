"""Our privacy classes against those of people who know the messages: where they differ, a rule says why."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.schema import read_tree
from gateway.settings import load_catalogue

# Their table counts credentials among what matters for security, under a sub-category of that name.
OURS_FOR = {("security", "credential"): "credential"}
DIFFERENT = {"142": "personal"}
"""WCO id → our class. dms.toml gives the reason: marks are free text and often name the consignee."""


def test_our_privacy_classes_are_theirs_but_for_what_is_said(material: Path, count: Callable[..., None]) -> None:
    agreed, others = Counter[str](), []
    for name, set_id, root in (
        ("dec", "dms-declaration", "/MetaData"),
        ("res", "dms-response", "/MetaData"),
    ):
        nodes = read_tree(load_catalogue(schema_folder())[SchemaSetId(set_id)]).nodes
        with (material / "wco" / "privacy" / f"{name}_privacy.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                path = root + row["path"]
                node = nodes[path] if nodes[path].is_leaf else nodes[f"{path}/DateTimeString"]
                theirs = OURS_FOR.get((row["category"], row["subcategory"]), row["category"])
                if node.privacy == theirs:
                    agreed[theirs] += 1
                else:
                    others.append((row["wco_id"], str(node.privacy), path))
    for word, number in sorted(agreed.items()):
        count(f"leaves that both class as {word}", number)
    count("leaves classed otherwise, with a reason", len(others))
    print(*others, sep="\n")
    assert {(wco_id, ours) for wco_id, ours, _ in others} == set(DIFFERENT.items())
    assert sum(agreed.values()) > 360
