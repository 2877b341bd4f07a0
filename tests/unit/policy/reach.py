"""How far the drawn cases must reach, or the laws over them say little: for each thing that a policy can bring about, how
many of a thousand cases must have met it. A generator that goes lame fails here, not in silence.

The words are those of the judge (tests/oracle), which notes what it comes across, and of lawful.py. Half of these
numbers must be met.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

CRITERIA = ("a criterion of its own",)
ITEM_CRITERIA = (
    "kind",
    *("type-code", "procedure", "country-of-destination", "country-of-export", "country-of-origin", "commodity"),
    "party-role",
)
EVERYWHERE: Mapping[str, float] = {
    "views": 600,
    "refused with policy.view_invalid": 4,
    **dict.fromkeys(("keep decides a leaf", "drop decides a leaf", "default deny of a leaf"), 150),
    **{f"{action} decides a leaf": 15 for action in ("generalise", "pseudonymise", "truncate", "replace")},
    **{f"{action} decides a attribute": 1 for action in ("keep", "drop", "generalise", "pseudonymise", "truncate")},
    "replace decides a attribute": 1,
    **{f"decided by {kind}": 20 for kind in ("plain", "//", "*", "wco", "privacy", "set")},
    "decided under 1 conditions": 60,
    "decided under 2 conditions": 4,
    **{f"smuggled: {what}": 15 for what in ("a leaf", "an attribute", "a value as it was")},
    **dict.fromkeys(("require is met", "require is not met", "hold holds", "hold does not hold"), 20),
    **{
        f"{word} {name} {ends}": 3
        for name in CRITERIA
        for word in ("when", "unless")
        for ends in ("holds", "does not hold")
    },
    **{f"bands: what {ends}": 4 for ends in ("leaves as another", "is withheld")},
    **{f"prefix: what {ends}": 2 for ends in ("leaves as another", "is withheld")},
    "length: what leaves as another": 8,
    "with: what leaves as another": 15,
    "pseudonymise: what leaves as another": 15,
    "policies with warnings": 40,
    "policies without a warning": 40,
    "policies with overrides": 10,
    "drafts refused": 80,
}
"""Of a thousand cases under any kind of set."""
DECLARED: Mapping[str, float] = {
    **{
        f"a message of kind {kind}": least for kind, least in (("declaration", 300), ("amendment", 100), ("arrival", 5))
    },
    "refused with policy.inconsistent": 2,
    "a class without what it requires": 30,
    "a required class that was empty": 10,
    **{f"asked in {where}": 20 for where in ("the message", "GovernmentAgencyGoodsItem", "another class")},
    **{f"{part} that would be wrong": 3 for part in ("sequence", "counts", "totals")},
    **{
        f"{word} {name} {ends}": 2
        for name in ITEM_CRITERIA
        for word in ("when", "unless")
        for ends in ("holds", "does not hold")
    },
    "a pointer to what went": 5,
    "a pointer to another number": 1,
    "a nil element": 20,
    **{f"to {what}: what leaves as another": 1 for what in ("month", "year", "country")},
    **{f"to {what}: what is withheld": 0.5 for what in ("month", "country")},
    **{f"digits: what {ends}": 1 for ends in ("leaves as another", "is withheld")},
}
"""Of a thousand cases under small sets of declarations."""


BUNDLED: Mapping[str, float] = {
    "views": 600,
    **{
        f"{action} decides a leaf": 5
        for action in ("keep", "drop", "generalise", "pseudonymise", "truncate", "replace")
    },
    **{f"decided by {kind}": 10 for kind in ("plain", "//", "*", "wco", "privacy", "set")},
    "decided under 1 conditions": 20,
    **{f"smuggled: {what}": 5 for what in ("a leaf", "an attribute", "a value as it was")},
    **dict.fromkeys(("require is met", "require is not met", "hold holds", "hold does not hold"), 10),
}
"""Of a thousand cases under a bundled set."""


def lame(counts: Counter[str], least: Mapping[str, float]) -> Iterator[str]:
    """Yield what was met too seldom, and how often."""
    cases = counts["cases"]
    for what, number in least.items():
        wanted = max(1, number * cases / 2000)
        if counts[what] < wanted:
            yield f"{what}: {counts[what]} of {cases}, not {wanted:.0f}"
