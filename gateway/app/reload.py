"""The reload of a running node: swaps the rules it follows, which are schema sets, agreements and policies.

A reload reads the whole configuration anew and checks it as a start would. Rules are swapped; what else stands in the
settings file (listeners, keys, partners, clients) is only compared, because it takes a restart, and the reload says so
instead of taking half. New workers compile the new rules before the old ones end, so nothing waits for a compiler, and
rules that can not be used change nothing. The swap is evidence: `node.reloaded` names the hash of what came into force.
"""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.app.desk import Snapshot
from gateway.app.inspection import check_start, tell_warnings
from gateway.app.memory import set_aside_anew
from gateway.app.rulebook import Rulebook, RulesInForce, rulebook_of
from gateway.app.showing import DocumentDesk
from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.agreement import is_in_force
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.records import RulesReloaded
from gateway.errors import ConfigurationError, Finding
from gateway.exchange.desk import Desk
from gateway.exchange.ended import HoldEnded
from gateway.ports import Clock, Store, Telemetry
from gateway.settings import Configuration, NodeSettings, load_configuration
from gateway.workers import WorkerGenerations

_RESTART: Final = "Restart the node for it; a reload takes schema sets, agreements and policies only"
_RULES: Final = frozenset({"agreements", "schemas"})
"""Settings that name where the rules are: a reload may find them elsewhere."""


class Reload:
    """Reads the settings file of a running node again. One reload at a time."""

    def __init__(
        self,
        settings: NodeSettings,
        rules: RulesInForce,
        *,
        workers: WorkerGenerations[Snapshot, Desk],
        documents: DocumentDesk,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        reach: Reach = pass_by,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._workers = workers
        self._documents = documents
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._reach = reach
        self._owed: tuple[str, str] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, *, actor: str, reason: str = "") -> RulesReloaded:
        """Swap the rules if they changed, and say what is in force. `actor`: as in an audit record.

        Raises ConfigurationError `config.reload_refused` with every finding, or the GatewayError with which new workers
        could not be set up; then everything is as before.
        """
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._read)
            book = rulebook_of(found)
            if book != self._rules.book:
                await self._swap(book)
                self._owed = (actor, reason)
            if self._owed is None:
                return self._told(changed=False)
            await self._evidence(*self._owed)
            tell_warnings(found, self._telemetry)
            held = await self._hold_ended()
            set_aside_anew()
            return self._told(changed=True, held=held)

    async def _swap(self, book: Rulebook) -> None:
        snapshot = Snapshot(generation=self._rules.generation + 1, settings=self._settings, rulebook=book)
        await self._workers.swap(snapshot)
        self._reach(Failpoint.KEYS_OPENED_ANEW)
        self._documents.renew(snapshot)
        self._rules.book, self._rules.generation = book, snapshot.generation

    async def _hold_ended(self) -> int:
        """Hold what waits under what is no longer in force. That something ended the next sweep writes into the log."""
        ended = HoldEnded(
            store=self._store,
            in_force=self._rules.in_force,
            stopped=self._rules.stopped,
            telemetry=self._telemetry,
        )
        return await ended.look(self._clock.now())

    async def _evidence(self, actor: str, reason: str) -> None:
        """Record what is followed now. If the store can not, it stays owed: the next reload records it first of all,
        whether or not the files have changed again."""
        await self._store.record(self._entry(actor, reason))
        await self._store.put_in_force(self._rules.book.wordings(), actor=actor, reason=reason, now=self._clock.now())
        self._owed = None

    def _read(self) -> Configuration:
        """Return the configuration as it stands in the files now."""
        try:
            found = load_configuration(Path(self._settings.file))
            check_start(found)
        except ConfigurationError as error:
            raise _refused(error.findings, error.detail) from error
        if findings := tuple(_changed(self._settings, found.node)):
            raise _refused(findings)
        return found

    def _entry(self, actor: str, reason: str) -> AuditEntry:
        told = self._told(changed=True)
        facts: dict[str, str | int] = {"generation": told.generation, "rules_sha256": told.rules_sha256}
        if reason:
            facts["reason"] = reason
        return AuditEntry(event=AuditEvent.NODE_RELOADED, at=self._clock.now(), actor=actor, facts=facts)

    def _told(self, *, changed: bool, held: int = 0) -> RulesReloaded:
        book, now = self._rules.book, self._clock.now()
        return RulesReloaded(
            changed=changed,
            generation=self._rules.generation,
            rules_sha256=book.sha256,
            agreements=tuple(f"{one.id} version {one.version}" for one in book.agreements),
            not_in_force=tuple(
                f"{one.id} version {one.version}" for one in book.agreements if not is_in_force(one, now)
            ),
            held=held,
            schema_sets=tuple(sorted(book.sets)),
        )


def _changed(before: NodeSettings, now: NodeSettings) -> Iterator[Finding]:
    fields = [field.name for field in dataclasses.fields(NodeSettings) if field.name not in _RULES]
    for name in fields:
        if getattr(before, name) != getattr(now, name):
            yield Finding(file=now.file, key=name, problem="differs from what the node was started with", fix=_RESTART)


def _refused(findings: tuple[Finding, ...], detail: str = "") -> ConfigurationError:
    lines = [str(finding) for finding in findings] or [detail]
    return ConfigurationError("config.reload_refused", findings=findings, facts={"findings": lines})
