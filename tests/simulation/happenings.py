"""What happened in a run, counted: a fault that no seed meets proves nothing.

Counted in the audit of both gateways where it leaves evidence, else in the trace.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from gateway.audit import AuditEntry, AuditEvent
from tests.simulation.rules import Seen
from tests.simulation.trace import Trace

_E: Final = AuditEvent

IN_AUDIT: Final[Mapping[str, Callable[[AuditEntry], bool]]] = {
    "a message expired": lambda one: one.event is _E.TRANSFER_DEADLINE,
    "another message took its place": lambda one: one.event is _E.TRANSFER_SUPERSEDED,
    "it did so under a later version of the agreement": lambda one: (
        one.event is _E.TRANSFER_SUPERSEDED and one.facts["agreement_version"] != 1
    ),
    "an agreement that did not hold kept a transfer back": lambda one: (
        one.event is _E.TRANSFER_HELD and one.actor == "system"
    ),
    "a partner swore not to have a message": lambda one: one.event is _E.TRANSFER_NOT_SEEN,
    "a receipt was not believed": lambda one: one.event is _E.RECEIPT_REJECTED,
    "a node drained": lambda one: one.event is _E.NODE_DRAINING,
}
LATE: Final = "and would have given the message up"
"""The transfer was a dead letter, so that a requeue would put another message in place of the one that was accepted."""

IN_TRACE: Final[Mapping[str, str]] = {
    "a line of a batch was forged": "forges a line",
    "somebody acted on a transfer as its receipt came": "races a late receipt",
    LATE: "state=DEAD_LETTERED",
    "a node died": " CRASHES ",
}


def happenings(seen: Seen, trace: Trace) -> Counter[str]:
    """Return how often each of these happened."""
    found: Counter[str] = Counter()
    for party in seen.files:
        for entry in seen.entries(party):
            found.update(name for name, is_it in IN_AUDIT.items() if is_it(entry))
    for line in trace.lines:
        found.update(name for name, words in IN_TRACE.items() if words in line)
    return found
