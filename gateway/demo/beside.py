"""One document side by side: what was held, what the partner got, and for each value that stayed the rule that kept it.

What the partner got is read from the bytes at its back end; `policy explain` is asked only why.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.app import rulebook_of
from gateway.demo.documents import Sample
from gateway.demo.values import side_by_side, values
from gateway.document import read
from gateway.domain.limits import DocumentLimits
from gateway.policy import Policy, Rule, compile_policy, explain
from gateway.schema import compile_set, validate
from gateway.settings import load_configuration

SHOWN: Final = "import-comments-and-free-texts"
"""The document that is shown: it has some of everything that must not leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The rule that keeps a value at home. `place`: file and line."""

    action: str
    path: str
    reason: str
    legal: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One leaf or attribute. `got` None: it did not leave, and `why` says by which rule; `note`: what else decided."""

    path: str
    held: str
    got: str | None
    why: Why | None
    note: str


def explain_beside(document: Sample, got: bytes, config: Path, *, now: datetime) -> tuple[Line, ...]:
    """Return every value of `document` that holds something, beside what its partner got, under the settings `config`.

    Raises GatewayError when they do not hold.
    """
    book = rulebook_of(load_configuration(config))
    _, flow = book.choose(sender=document.sender, recipient=document.recipient, kind=document.kind, now=now)
    compiled, policy = compile_set(book.sets[flow.schema_set]), book.policies[flow.policy_sha256]
    reasons = explain(validate(read(document.raw, DocumentLimits()), compiled), compile_policy(policy, compiled))
    held = values(document.raw)
    beside, _ = side_by_side(held, values(got))
    rules = {policy.place(rule): rule for rule in policy.rules}
    return tuple(
        Line(
            path=reason.path,
            held=value.text,
            got=None if partner is None else partner.text,
            why=None if reason.kept else _why(policy, rules.get(reason.rule), reason.rule),
            note=reason.note,
        )
        for value, partner, reason in zip(held, beside, reasons, strict=True)
        if value.text
    )


def _why(policy: Policy, rule: Rule | None, place: str) -> Why:
    name, _, line = place.rpartition(":")
    where = f"{Path(name).name}:{line}" if name else Path(place).name
    if rule is None:
        return Why(action="default deny", path="", reason=f"no rule of {policy.id} keeps it", legal="", place=where)
    return Why(action=rule.action.value, path=rule.path, reason=rule.reason, legal=rule.legal, place=where)


def rules_of(lines: Iterable[Line]) -> list[Why]:
    """Return the rules that keep something at home, each once, in the order of their first use."""
    return list(dict.fromkeys(line.why for line in lines if line.why is not None))


def folded(lines: Iterable[Line], *, most: int = 2) -> Iterator[Line | int]:
    """Yield the lines, and in place of more than `most` in a row that left unchanged, only how many they are."""
    same: list[Line] = []
    for line in lines:
        if line.why is None and line.got == line.held:
            same.append(line)
            continue
        yield from same if len(same) <= most else [len(same)]
        same.clear()
        yield line
    yield from same if len(same) <= most else [len(same)]
