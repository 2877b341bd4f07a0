"""Settings: files become validated frozen values, or every problem at once with file, line or key, and the mend."""

from gateway.settings.agreements import AgreementBook, agreement_content, load_agreements
from gateway.settings.configuration import Configuration, check_configuration, load_configuration
from gateway.settings.node import load_node
from gateway.settings.plain import plain_bytes
from gateway.settings.policy_files import draft_policy_file, included_beside, read_policy_file
from gateway.settings.privacy import override_privacy
from gateway.settings.schema_source import open_source
from gateway.settings.schemas import Catalogue, load_catalogue, load_catalogues, read_folder, store_set
from gateway.settings.values import (
    AtRest,
    Backend,
    Client,
    Documents,
    DropFolder,
    KeyFiles,
    Listener,
    Listeners,
    NodeSettings,
    OurParty,
    Partner,
    PullInbox,
    Timing,
    Tokens,
    Trust,
    Webhook,
)

__all__ = [
    "AgreementBook",
    "AtRest",
    "Backend",
    "Catalogue",
    "Client",
    "Configuration",
    "Documents",
    "DropFolder",
    "KeyFiles",
    "Listener",
    "Listeners",
    "NodeSettings",
    "OurParty",
    "Partner",
    "PullInbox",
    "Timing",
    "Tokens",
    "Trust",
    "Webhook",
    "agreement_content",
    "check_configuration",
    "draft_policy_file",
    "included_beside",
    "load_agreements",
    "load_catalogue",
    "load_catalogues",
    "load_configuration",
    "load_node",
    "open_source",
    "override_privacy",
    "plain_bytes",
    "read_folder",
    "read_policy_file",
    "store_set",
]
