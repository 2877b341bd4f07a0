"""The loops of a node: what nobody asks for. Sending, giving back, following up, handing over, telling, judging later,
sweeping."""

from collections.abc import Collection, Coroutine
from typing import Any

from gateway.app.channels import Backends, hand_over_retries
from gateway.app.parts import Adapters, Around, UseCases
from gateway.app.rulebook import RulesInForce
from gateway.domain.ids import PartyId
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.dispatch import Dispatch, DispatchLimits
from gateway.exchange.ended import HoldEnded
from gateway.exchange.fast_path import FastPath
from gateway.exchange.give_back import GiveBack
from gateway.exchange.hand_over import HandOver, HandOverLimits
from gateway.exchange.later import GiveReceipts, JudgeLater, LaterLimits
from gateway.exchange.notify import Notify, NotifyLimits
from gateway.exchange.sweep import Sweep
from gateway.settings import NodeSettings, Partner

__all__ = ["later_loops", "loops_of", "receipts_later"]


def loops_of(
    settings: NodeSettings,
    below: Adapters,
    use: UseCases,
    around: Around,
    *,
    rules: RulesInForce,
    fast_path: FastPath,
    arrivals: Arrivals,
    give_back: GiveBack,
    backends: Backends,
) -> list[Coroutine[Any, Any, None]]:
    """Return the loops that every node runs; those to partners once for each, so that none waits for another."""
    timing = settings.timing
    dispatch = Dispatch(
        store=below.store,
        workers=below.workers,
        channel=below.channel,
        agreements=rules,
        settle=use.settle,
        clock=around.clock,
        ids=around.ids,
        bells=around.bells,
        telemetry=around.telemetry,
        fast_path=fast_path,
        limits=DispatchLimits(batch=settings.batches.messages, lease=timing.lease, poll=timing.poll),
        partner_limits={PartyId(one.id): _limits(one, settings) for one in settings.partners},
        catch_up={PartyId(one.id): one.catch_up for one in settings.partners},
        reach=around.reach,
    )
    hand_over = HandOver(
        store=below.store,
        channel=backends,
        sealer=below.sealer,
        clock=around.clock,
        ids=around.ids,
        bells=around.bells,
        telemetry=around.telemetry,
        arrivals=arrivals,
        limits=HandOverLimits(lease=timing.lease, poll=timing.poll, retries=hand_over_retries(settings)),
        reach=around.reach,
    )
    notify = Notify(
        store=below.store,
        channel=below.channel,
        trust=below.trust,
        clock=around.clock,
        ids=around.ids,
        bells=around.bells,
        telemetry=around.telemetry,
        limits=NotifyLimits(batch=settings.batches.messages, poll=timing.poll),
    )
    sweep = Sweep(
        store=below.store,
        clock=around.clock,
        bells=around.bells,
        telemetry=around.telemetry,
        ended=HoldEnded(store=below.store, in_force=rules.in_force, stopped=rules.stopped, telemetry=around.telemetry),
        every=timing.sweep,
        purge_every=timing.purge,
    )
    each = (dispatch, notify, use.follow_up)
    loops = [loop.serve(partner) for partner in sorted(one.id for one in settings.partners) for loop in each]
    loops += [hand_over.serve(party) for party in sorted(backends.parties)]
    return [*loops, give_back.serve(), sweep.serve(), use.turn_away.serve()]


def _limits(partner: Partner, settings: NodeSettings) -> DispatchLimits:
    """Return how much goes to a partner at once. A request without a connection would only wait for one."""
    return DispatchLimits(
        requests=min(partner.requests, partner.connections),
        batch=min(partner.batch, settings.batches.messages),
        lease=settings.timing.lease,
        poll=settings.timing.poll,
    )


def receipts_later(settings: NodeSettings) -> frozenset[PartyId]:
    """Return the partners whose messages are answered 202, and judged after that."""
    return frozenset(PartyId(one.id) for one in settings.partners if one.receipts == "later")


def later_loops(
    settings: NodeSettings, owing: Collection[PartyId], below: Adapters, use: UseCases, around: Around
) -> list[Coroutine[Any, Any, None]]:
    """Return the loops of receipts that come later: only for partners of whom that is asked, or was until now.

    `owing`: partners of whom something waits, though the settings may say otherwise by now.
    """
    limits = LaterLimits(poll=settings.timing.poll)
    judge = JudgeLater(
        store=below.store,
        receive=use.receive,
        clock=around.clock,
        bells=around.bells,
        telemetry=around.telemetry,
        limits=limits,
        reach=around.reach,
    )
    give = GiveReceipts(
        store=below.store,
        channel=below.channel,
        clock=around.clock,
        ids=around.ids,
        bells=around.bells,
        telemetry=around.telemetry,
        limits=limits,
        reach=around.reach,
    )
    known = {PartyId(one.id) for one in settings.partners}
    partners = sorted(receipts_later(settings) | (frozenset(owing) & known))
    return [loop.serve(partner) for partner in partners for loop in (judge, give)]
