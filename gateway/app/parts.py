"""What a node is joined of: the adapters below, the use cases that listeners call, and what stands around them all."""

from dataclasses import dataclass

from gateway.app.desk import Snapshot
from gateway.app.reload import Reload
from gateway.app.showing import DocumentDesk
from gateway.channels import HttpsPartnerChannel
from gateway.domain.failpoint import Reach
from gateway.exchange.asked import Asked
from gateway.exchange.desk import Desk
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.drain import Drain
from gateway.exchange.follow_up import FollowUp
from gateway.exchange.holds import Holds
from gateway.exchange.operate import Operate
from gateway.exchange.pull import Pull
from gateway.exchange.receive import Receive
from gateway.exchange.settle import Settle
from gateway.exchange.submit import Submit
from gateway.exchange.turn_away import TurnAway
from gateway.ports import Clock, Ids, Sealer, Telemetry
from gateway.storage import SqliteStore
from gateway.trust import FileTrust, PartnerGate
from gateway.workers import WorkerGenerations

__all__ = ["Adapters", "Around", "UseCases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What every loop needs beside the store."""

    clock: Clock
    ids: Ids
    bells: Doorbells
    telemetry: Telemetry
    reach: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What stands below the use cases."""

    store: SqliteStore
    workers: WorkerGenerations[Snapshot, Desk]
    documents: DocumentDesk
    trust: FileTrust
    gate: PartnerGate
    sealer: Sealer
    channel: HttpsPartnerChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What listeners call."""

    submit: Submit
    settle: Settle
    receive: Receive
    asked: Asked
    operate: Operate
    holds: Holds
    follow_up: FollowUp
    drain: Drain
    turn_away: TurnAway
    pull: Pull
    reload: Reload
