"""The result of `gateway schema validate`: what a person or a script is told about one file."""

from dataclasses import dataclass
from typing import Any

from gateway.document import read_root
from gateway.domain.limits import DocumentLimits
from gateway.domain.telling import PLAIN, Telling
from gateway.errors import DocumentError, Violation
from gateway.schema.refusal import door_violation
from gateway.schema.validation import CompiledSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The verdict on one file. `file` is what the caller called it."""

    file: str
    valid: bool
    violations: tuple[Violation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the members of the JSON line."""
        return {
            "file": self.file,
            "valid": self.valid,
            "violations": [violation.as_json() for violation in self.violations],
        }


def explain(
    file: str, raw: bytes, compiled: CompiledSet, limits: DocumentLimits, telling: Telling = PLAIN
) -> Explanation:
    """Return the verdict of door and set on `raw`, without asking what kind of message it is, if any."""
    try:
        root = read_root(raw, limits)
    except DocumentError as error:
        return Explanation(file=file, valid=False, violations=(door_violation(error, telling),))
    if compiled.accepts(root):
        return Explanation(file=file, valid=True)
    return Explanation(file=file, valid=False, violations=compiled.refusal(root, telling).violations)
