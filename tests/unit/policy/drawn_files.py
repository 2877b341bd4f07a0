"""Policy files drawn from seeds, good and bad by turns: for whoever reads policies and must agree about their form."""

import random
from typing import Any

TEXTS = (
    *(
        "a",
        "/A/B",
        "//A",
        "",
        "  ",
        " a ",
        "x" * 2001,
        "a\tb",
        "a\nb",
        "privacy:personal",
        "privacy:x",
        "set:one",
        "wco:R1",
    ),
    *("wco:", "//", "/", "/A//B/@c", "/A/@b", "@b", "//@b", "/a:B/C", "/A:B", "required", "month", "93*", "*", "9*3"),
    *(
        "renumber",
        "refuse",
        "drop",
        "kind",
        "é",
        "\u00a0",
        "\u200b",
        "a" * 65,
        "a-",
        "/" + "A" * 129,
        "//A//B//C//D//E",
        "1.5",
    ),
)
NUMBERS = (0, 1, 2, 3, 4, 6, -1, 7, 10_000, 10_001, 1_000_000, 1_000_001, 1.5, True, False, None)
SELECTORS = ("//A", "/A/B", "privacy:personal", "set:one", "wco:R1", "//A/@b")
VALUES = (["declaration"], "arrival", "dec*", 93, ["93*", 94], "x")
WAYS: tuple[dict[str, Any], ...] = (
    {"to": "month"},
    {"digits": 4},
    {"prefix": 3},
    {"bands": [0, 1000]},
    {"bands": ["0", "1.5"]},
)


class Drawing:
    """Draws one file after the other from one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def file(self) -> dict[str, Any]:
        """Return what a policy file may say. It has the set `one` and the criterion `own`."""
        found = {
            "policy": self.mostly("p", 0.03),
            "version": self.mostly(1, 0.03),
            "schema_set": self.mostly("s", 0.03),
        }
        more = {
            "title": self.mostly("t", 0.5),
            "paths": {"one": "/Q", self.chance.choice(("two", "a b")): self.selector()},
            "criteria": {"own": self.mostly(self.chance.choice(SELECTORS), 0.3)},
            "require": self.mostly(
                [{**({"when": self.asked()} if self.is_so(0.9) else {}), "reason": self.mostly("r")}]
            ),
            "consistency": self.mostly(
                {self.word("sequence", "counts", "x"): self.word("refuse", "renumber", "recount")}
            ),
        }
        found |= {"paths": {"one": ["/Q"]}, "criteria": {"own": "/O"}, "rules": self.mostly([self.rule()], 0.03)}
        return found | {name: value for name, value in more.items() if self.is_so(0.1)}

    def rule(self) -> dict[str, Any]:
        action = self.word("keep", "drop", "generalise", "pseudonymise", "truncate", "replace")
        found: dict[str, Any] = {action: self.mostly(self.selector())}
        belonging = {"generalise": self.chance.choice(WAYS), "truncate": {"length": 5}, "replace": {"with": "0"}}
        if action in belonging and self.is_so(0.9):
            found |= {name: self.mostly(value) for name, value in belonging[action].items()}
        more = {
            "attributes": self.mostly(
                self.chance.choice(("required", ["a"], ["a", "b"], [], ["a", "a"], ["a b"], "x"))
            ),
            "when": self.mostly(self.asked()),
            "unless": self.mostly(self.asked()),
            "reason": self.mostly("why"),
            "shared": self.mostly(True),
        }
        found |= {name: value for name, value in more.items() if self.is_so(0.25)}
        return found | ({self.word("keep", "to", "digits", "with", "foo"): self.scalar()} if self.is_so(0.05) else {})

    def asked(self) -> dict[str, Any]:
        names = ("kind", "commodity", "type-code", "own")
        return {self.word(*names): self.mostly(self.chance.choice(VALUES)) for _ in range(self.chance.randint(0, 2))}

    def selector(self) -> Any:
        if self.is_so(0.7):
            return self.word(*SELECTORS)
        return [self.word(*SELECTORS) for _ in range(self.chance.randint(0, 2))]

    def anything(self, depth: int = 2) -> Any:
        if depth == 0 or self.is_so(0.6):
            return self.scalar()
        if self.is_so(0.5):
            return [self.anything(depth - 1) for _ in range(self.chance.randint(0, 3))]
        return {
            self.word("a", "kind", "keep", "x y"): self.anything(depth - 1) for _ in range(self.chance.randint(0, 2))
        }

    def mostly(self, good: Any, otherwise: float = 0.12) -> Any:
        return self.anything() if self.is_so(otherwise) else good

    def scalar(self) -> Any:
        return self.chance.choice(TEXTS if self.is_so(0.7) else NUMBERS)

    def is_so(self, share: float) -> bool:
        return self.chance.random() < share

    def word(self, *words: str) -> str:
        return self.chance.choice(words)
