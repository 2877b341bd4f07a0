"""The seams between the exchange and the outside, as Protocols in domain verbs.

Adapters (storage, trust, channels, workers) implement these and never know each other; `app` joins them. Each port has
one contract suite under tests/contract that every implementation must pass.
"""

from gateway.ports.around import Clock, Ids, Telemetry
from gateway.ports.channels import BackendChannel, PartnerChannel, ReceiptChannel
from gateway.ports.settlement import HandOverSettlement, NoticeSettlement, Settlement, TakenNotice
from gateway.ports.store import Store
from gateway.ports.trust import Agreements, Peers, PseudonymKeys, ReferenceReader, Sealer, Tokens, Trust
from gateway.ports.workers import Workers

__all__ = [
    "Agreements",
    "BackendChannel",
    "Clock",
    "HandOverSettlement",
    "Ids",
    "NoticeSettlement",
    "PartnerChannel",
    "Peers",
    "PseudonymKeys",
    "ReceiptChannel",
    "ReferenceReader",
    "Sealer",
    "Settlement",
    "Store",
    "TakenNotice",
    "Telemetry",
    "Tokens",
    "Trust",
    "Workers",
]
