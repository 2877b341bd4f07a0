"""What may come apart when a policy is applied: the relations of consistency.py, read out of a policy and its set.

Only what can lose members one by one is looked at in a document: what a condition, a changing rule, or the absence of
an optional part may take out of one element and not out of the next. Where a policy always keeps a class, or never
does, its numbers and sums can not go wrong, and looking costs nothing.
"""

from collections.abc import Iterator
from typing import Final

from gateway.policy.consistency.mending import COUNTS, SEQUENCE_LEAF, TOTALS, Numbered, Relations, Sum
from gateway.policy.consistency.pointers import POINTER_CLASS, PointersAt
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.deciding import Deciding
from gateway.policy.ruling.ways import Way, way
from gateway.schema import SchemaNode

__all__ = ["relations"]

_BODY_IDS: Final = frozenset({"42A", "07B"})


def relations(deciding: Deciding, root: SchemaNode) -> Relations:
    """Return what may come apart in documents with this root (a bare body's home)."""
    return _Relating(deciding, root).found()


class _Relating:
    def __init__(self, deciding: Deciding, root: SchemaNode) -> None:
        self.deciding: Final = deciding
        self.root: Final = root
        self.loose: Final[dict[str, bool]] = {}

    def found(self) -> Relations:
        nodes = list(self.deciding.tree.below(self.root))
        for node in reversed(nodes):
            self.loose[node.path] = self.may_go(node)
        classes = [node for node in nodes if not node.is_leaf]
        return Relations(
            sequences=tuple(one for node in classes for one in self.sequences(node)),
            counts=tuple(one for node in classes for one in self.counts(node)),
            totals=tuple(one for node in classes for one in self.totals(node)),
            pointers=tuple(one for node in classes for one in self.pointers(node)),
        )

    def way(self, path: str) -> Way:
        return way(self.deciding.tree, self.root.path, path) or ()

    def below(self, node: SchemaNode, names: str) -> SchemaNode | None:
        return self.deciding.tree.node(f"{node.path}/{names}")

    # ── what the policy does with a place ────────────────────────────────────────────────────────────────────────

    def may_go(self, node: SchemaNode) -> bool:
        """Whether one element of a kept class may go while another stays."""
        if self.deciding.used[node.path] or node.nillable:
            return True
        if node.is_leaf:
            return self.is_changed(node.path)
        return not any(child.least and self.is_always_kept(child.path) for child in node.children) or any(
            self.loose[child.path] for child in node.children if child.least
        )

    def may_lose(self, above: SchemaNode, below: SchemaNode) -> bool:
        """Whether a class between two places may go, although it holds what stays, and what is above it stays too."""
        path = below.path
        while path != above.path:
            node = self.deciding.tree.nodes[path]
            if node.nillable or any(self.loose[child.path] for child in node.children if child.least):
                return True
            path = path.rpartition("/")[0]
        return False

    def may_stay(self, path: str) -> bool:
        """Whether some rule keeps a leaf, if only under conditions, and none of them changes it."""
        candidates = self.deciding.rulings[Anchor(path)].candidates
        return any(rule.is_keeping for rule in candidates) and not self.is_changed(path)

    def is_changed(self, path: str) -> bool:
        return any(rule.change is not None for rule in self.deciding.rulings[Anchor(path)].candidates)

    def is_always_kept(self, path: str) -> bool:
        """Whether a leaf is kept whatever the document, or something below a class is."""
        node = self.deciding.tree.nodes[path]
        if node.is_leaf:
            return not self.deciding.used[path] and self.may_stay(path)
        return any(child.least and self.is_always_kept(child.path) for child in node.children)

    def is_ever_kept(self, node: SchemaNode) -> bool:
        return any(
            rule.is_keeping
            for one in self.deciding.tree.below(node)
            for rule in self.deciding.rulings[Anchor(one.path)].candidates
        )

    # ── relations ────────────────────────────────────────────────────────────────────────────────────────────────

    def sequences(self, node: SchemaNode) -> Iterator[Numbered]:
        leaf = self.below(node, SEQUENCE_LEAF)
        if leaf is None or node is self.root or node.wco_id == POINTER_CLASS or node.most == 1:
            return
        if self.may_stay(leaf.path) and self.loose[node.path]:
            parents = self.way(node.path.rpartition("/")[0])
            yield Numbered(parents=parents, member=node.qualified, number=leaf.qualified)

    def counts(self, node: SchemaNode) -> Iterator[Sum]:
        for name, counted in COUNTS.items():
            leaf, items = self.below(node, name), self.below(node, counted)
            if leaf is None or items is None or not self.may_stay(leaf.path) or not self.is_ever_kept(items):
                continue
            if self.loose[items.path] or self.may_lose(node, items):
                yield Sum(holder=self.way(node.path), leaf=leaf.qualified, items=self.between(node, items))

    def totals(self, node: SchemaNode) -> Iterator[Sum]:
        for name, (summed, inside, part_name, unit) in TOTALS.items():
            leaf, items = self.below(node, name), self.below(node, summed)
            holders = None if items is None else self.below(items, inside)
            part = None if holders is None else self.below(holders, part_name)
            if leaf is None or items is None or holders is None or part is None:
                continue
            if not self.may_stay(leaf.path) or not self.may_stay(part.path):
                continue
            if self.loose[items.path] or self.deciding.used[part.path] or self.may_lose(node, holders):
                yield Sum(
                    holder=self.way(node.path),
                    leaf=leaf.qualified,
                    items=self.between(node, items),
                    holders=self.between(items, holders),
                    part=part.qualified,
                    unit=unit,
                )

    def pointers(self, node: SchemaNode) -> Iterator[PointersAt]:
        if node.wco_id != POINTER_CLASS or not self.is_ever_kept(node):
            return
        holder = self.deciding.tree.nodes[node.path.rpartition("/")[0]]
        body: SchemaNode | None = holder
        while body is not None and body.wco_id not in _BODY_IDS:
            body = self.deciding.tree.node(body.path.rpartition("/")[0])
        if body is None or not f"{body.path}/".startswith(f"{self.root.path}/"):
            return
        number = self.below(node, SEQUENCE_LEAF)
        yield PointersAt(
            body=self.way(body.path),
            node=body,
            holders=self.between(body, holder),
            pointer=node.qualified,
            numbers_kept=number is not None and self.may_stay(number.path),
        )

    def between(self, above: SchemaNode, below: SchemaNode) -> Way:
        return way(self.deciding.tree, above.path, below.path) or ()
