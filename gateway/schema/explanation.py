"""The result of `gateway schema validate`: what a person or a script is told about one file."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.document import read_root
from gateway.domain.limits import DocumentLimits
from gateway.domain.telling import PLAIN, Telling
from gateway.errors import DocumentError, Violation
from gateway.schema.code_lists.checks import CompiledCodeLists
from gateway.schema.telling.refusal import door_violation
from gateway.schema.validation import CompiledSet

CodesOnDay = tuple[CompiledCodeLists, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The verdict on one file. `file` is what the caller called it.

    `warnings`: codes that are in none of their code lists; None when nobody asked. They change no verdict.
    """

    file: str
    valid: bool
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the members of the JSON line."""
        told = {
            "file": self.file,
            "valid": self.valid,
            "violations": [violation.as_json() for violation in self.violations],
        }
        if self.warnings is None:
            return told
        return {**told, "warnings": [warning.as_json() for warning in self.warnings]}


def explain(
    file: str,
    raw: bytes,
    compiled: CompiledSet,
    limits: DocumentLimits,
    telling: Telling = PLAIN,
    codes: CodesOnDay | None = None,
) -> Explanation:
    """Return the verdict of door and set on `raw`, without asking what kind of message it is, if any.

    `codes`: the code lists to warn by, and the day; only a document that the set accepts is held against them.
    """
    try:
        root = read_root(raw, limits)
    except DocumentError as error:
        return Explanation(file=file, valid=False, violations=(door_violation(error, telling),))
    if compiled.accepts(root, raw):
        return Explanation(file=file, valid=True, warnings=codes and codes[0].violations(root, codes[1]))
    return Explanation(file=file, valid=False, violations=compiled.refusal(root, telling).violations)
