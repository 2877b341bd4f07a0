"""Settings: files become validated frozen values, or every problem at once with file, line or key, and the mend."""

from gateway.settings.node import load_node
from gateway.settings.values import (
    AtRest,
    Backend,
    Client,
    Documents,
    KeyFiles,
    Listener,
    Listeners,
    NodeSettings,
    OurParty,
    Partner,
    Role,
    Timing,
    Tokens,
    Trust,
)

__all__ = [
    "AtRest",
    "Backend",
    "Client",
    "Documents",
    "KeyFiles",
    "Listener",
    "Listeners",
    "NodeSettings",
    "OurParty",
    "Partner",
    "Role",
    "Timing",
    "Tokens",
    "Trust",
    "load_node",
]
