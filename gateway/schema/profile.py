"""What a profile says of one document: breaches of rules and code lists, by what follows from them.

A document that its schema set accepts can still be wrong: totals that do not add up, days that no calendar has,
pointers to nowhere. What follows is the agreement's choice, by severity: nothing leaves, a person decides, or the
sender is told. No violation holds a value of the document.
"""

from dataclasses import dataclass

from gateway.errors import Violation

__all__ = ["Judgement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a profile says of one document. Empty: nothing is wrong."""

    refused: tuple[Violation, ...] = ()
    held: tuple[Violation, ...] = ()
    warned: tuple[Violation, ...] = ()
