"""What a seed decides before anything runs: how much is sent by whom, and what goes wrong how often.

Each run has a mixture of faults of its own (some seeds know no crash, some lose every third answer): a bug that shows
only when two faults meet, and a third does not hide it, is found in some of them.
"""

from dataclasses import dataclass, field, fields
from random import Random
from typing import Final

from gateway.domain.ids import PartyId
from tests.simulation.chance import stream
from tests.simulation.parts import FR, GB, MARK, SAMPLES

FAULTS_SECONDS: Final = (20.0, 45.0)
LIFETIME_SECONDS: Final = (12, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One document to hand in at a time. `case`: the client's own reference of the conversation."""

    marker: str
    sample: str
    sender: PartyId
    recipient: PartyId
    case: str
    at: float
    twice: bool

    @property
    def key(self) -> str:
        """The idempotency key of every request for it."""
        return f"key-{self.marker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How likely each fault is: of one request, one COMMIT, one hand-over; or how many there are in the run."""

    # of one request between the gateways
    unreachable: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    reset: float = 0.0
    busy: float = 0.0
    twice: float = 0.0
    garbled: float = 0.0
    forged: float = 0.0
    slow: float = 0.0
    # of one COMMIT, and of one statement
    commit_lost: float = 0.0
    commit_happened: float = 0.0
    damaged: float = 0.0
    # of one hand-over
    backend_fails: float = 0.0
    backend_forgets: float = 0.0
    backend_slow: float = 0.0
    # of one piece of work in a worker
    hangs: float = 0.0
    # of one answer to a batch
    forged_lines: float = 0.0
    # of one receipt that comes later: an operator acts on its transfer at the same moment
    races: float = 0.0
    # how many in the run
    crashes: int = 0
    crashes_at_commit: int = 0
    partitions: int = 0
    outages: int = 0
    jumps: int = 0
    stalls: int = 0
    suspensions: int = 0
    renewals: int = 0
    drains: int = 0
    acts: int = 0


NONE: Final = Faults()
_RATES: Final = {
    "commit_lost": 0.03,
    "commit_happened": 0.03,
    "damaged": 0.03,
    "hangs": 0.01,
    "slow": 0.1,
    "races": 1.0,
    "forged_lines": 1.0,
}
_USUAL_RATE: Final = 0.25
_COUNTS: Final = {
    "crashes": 2,
    "crashes_at_commit": 2,
    "partitions": 2,
    "outages": 2,
    "jumps": 3,
    "stalls": 2,
    "suspensions": 3,
    "renewals": 2,
    "drains": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. `seconds`: how long faults go on. `later`: who answers with 202, and gives receipts later. `lifetime`:
    of a message in seconds, where it is so short that messages expire."""

    seed: int
    seconds: float
    faults: Faults
    later: frozenset[PartyId] = frozenset()
    lifetime: int | None = None
    submissions: tuple[Submission, ...] = field(repr=False)


def plan(seed: int) -> Plan:
    """Return what this seed decides."""
    chance = stream(seed, "plan")
    seconds = chance.uniform(*FAULTS_SECONDS)
    return Plan(
        seed=seed,
        seconds=seconds,
        faults=_faults(chance),
        later=frozenset(party for party in (GB, FR) if chance.random() < 0.3),
        lifetime=chance.randint(*LIFETIME_SECONDS) if chance.random() < 0.3 else None,
        submissions=tuple(_submissions(chance, seconds * 0.7)),
    )


def _faults(chance: Random) -> Faults:
    values: dict[str, float | int] = {}
    for one in fields(Faults):
        if one.name == "acts":
            values["acts"] = chance.choice((0, 4, 12))
        elif one.name in _COUNTS:
            values[one.name] = chance.randint(0, _COUNTS[one.name]) if chance.random() < 0.5 else 0
        elif chance.random() < 0.45:
            values[one.name] = chance.uniform(0.0, _RATES.get(one.name, _USUAL_RATE))
    return Faults(**values)  # type: ignore[arg-type]  # each is of its field's kind


def _submissions(chance: Random, seconds: float) -> list[Submission]:
    cases = [f"case-{number}" for number in range(chance.randint(2, 5))]
    found = []
    for number in range(chance.randint(8, 16)):
        sender, recipient = (GB, FR) if chance.random() < 0.65 else (FR, GB)
        found.append(
            Submission(
                marker=f"{MARK[:12]}{number:06d}",
                sample=chance.choice(tuple(SAMPLES)),
                sender=sender,
                recipient=recipient,
                case=chance.choice(cases),
                at=chance.uniform(0.0, seconds),
                twice=chance.random() < 0.15,
            )
        )
    return found
