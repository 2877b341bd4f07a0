"""Desks that are laid quickly: what the rules make of schema sets and policies is made once for each set of rules.

Reading and compiling rules takes a hundred times as long as most tests of what is done by them. Keys, trust and limits
are those of the settings at hand, and the rules are these very ones; only what follows from them alone is kept.
"""

from dataclasses import replace

from gateway.app import Snapshot, lay_desk
from gateway.app.desk import open_pseudonyms, open_sealer, open_trust
from gateway.exchange.desk import Desk

_LAID: dict[frozenset[object], Desk] = {}


def desk_of(snapshot: Snapshot) -> Desk:
    """Return the desk of a snapshot, as `lay_desk` lays it. Each party has its own: a desk is for one thread."""
    rules, settings = snapshot.rulebook, snapshot.settings
    made_of = frozenset(
        {
            *rules.own,
            *((one.id, one.sha256) for one in rules.sets.values()),
            *rules.policies,
            *((flow.schema_set, flow.profile.sha256) for one in rules.agreements for flow in one.flows),
        }
    )
    if made_of not in _LAID:
        _LAID[made_of] = lay_desk(snapshot)
    return replace(
        _LAID[made_of],
        agreements=rules,
        limits=settings.documents.limits,
        trust=open_trust(settings),
        sealer=open_sealer(settings),
        pseudonyms=open_pseudonyms(settings),
    )
