"""What a start needs beyond readable settings: keys, bundles, token keys, secrets, the data folder.

Everything is opened once, nothing is started, and every fault is told at once: `gateway config check` prints them, and
`gateway serve` refuses with the same list. One thing more `config check` tells, which a start does not refuse, because
it can be mended while the node runs: revocation lists that are missing or stale. What the check of the policies warns
of keeps no node from starting either; it is logged, at a start and at a reload.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from gateway.app.channels import open_backends, open_partner_channel
from gateway.app.clients import RegisteredClients
from gateway.app.desk import key_files, open_pseudonyms, open_sealer, open_trust
from gateway.errors import ConfigurationError, Finding, GatewayError
from gateway.failpoints import read_failpoint
from gateway.ports import Telemetry
from gateway.settings import Configuration, KeyFiles, NodeSettings
from gateway.system import SystemClock
from gateway.trust import PartnerGate, plain_server_context

_FIX: Final = "Mend or replace the file; docs/security.md tells how each is made"
_FIXES: Final = {
    "parties.backend": "Mend the secret or the folder; docs/operating.md tells what each must be like",
    "insecure_failpoints": "Unset the variable; it is for fault tests only (docs/reliability.md)",
}


def tell_warnings(configuration: Configuration, telemetry: Telemetry) -> None:
    """Log what the checks of the policies and of the whole configuration warn of, a line each."""
    for one in configuration.book.warnings:
        telemetry.line("policy.check", outcome="unknown", warning=str(one))
    for one in configuration.warnings:
        telemetry.line("config.check", outcome="unknown", warning=str(one))


def check_start(configuration: Configuration) -> None:
    """Raise ConfigurationError `config.invalid` with everything that would keep this node from starting."""
    findings = tuple(_findings(configuration.node))
    if findings:
        raise ConfigurationError("config.invalid", findings=findings)


def check_all(configuration: Configuration) -> None:
    """Raise ConfigurationError `config.invalid` with what `check_start` finds, and with every revocation list that
    would keep partners from being served although the node runs."""
    findings = (*_findings(configuration.node), *_revocation(configuration.node))
    if findings:
        raise ConfigurationError("config.invalid", findings=findings)


def _revocation(settings: NodeSettings) -> Iterator[Finding]:
    try:
        problems = open_trust(settings).refresh(SystemClock().now())
    except GatewayError:
        return  # told by `_findings`
    fix = "Load the authority's current list; until then traffic with its partners is refused"
    for problem in problems:
        yield Finding(file=settings.file, key="trust.crls", problem=problem, fix=fix)


def _findings(settings: NodeSettings) -> Iterator[Finding]:
    clock = SystemClock()
    parts: dict[str, Callable[[], object]] = {
        "trust, parties, partners": lambda: _open_channels(settings),
        "at_rest": lambda: open_sealer(settings),
        "pseudonyms": lambda: open_pseudonyms(settings),
        "tokens": lambda: RegisteredClients(settings, clock=clock),
        "parties.backend": lambda: open_backends(settings, clock=clock),
        "insecure_failpoints": lambda: read_failpoint(os.environ, allowed=settings.insecure_failpoints),
    }
    for name in ("submission", "operations"):
        tls: KeyFiles | None = getattr(settings.listeners, name).tls
        if tls is not None:
            parts[f"listeners.{name}.tls"] = partial(plain_server_context, key_files(tls))
    for key, opened in parts.items():
        try:
            opened()
        except GatewayError as error:
            yield Finding(file=settings.file, key=key, problem=error.detail, fix=_FIXES.get(key, _FIX))
    if settings.data_dir.exists() and not settings.data_dir.is_dir():
        problem = f"{settings.data_dir} is a file, not a folder"
        yield Finding(file=settings.file, key="data_dir", problem=problem, fix="Name a folder of this node's own")


def _open_channels(settings: NodeSettings) -> None:
    gate = PartnerGate(open_trust(settings), clock=SystemClock().now)
    open_partner_channel(settings, gate, clock=SystemClock())
    if settings.listeners.partner.tls is not None:
        gate.server_context(key_files(settings.listeners.partner.tls))
