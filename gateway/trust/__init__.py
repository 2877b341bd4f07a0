"""Keys, certificates, revocation, TLS, sealing at rest, bearer tokens: what the gateway believes, and why.

`directory` implements the Trust port and `sealing` the Sealer port; `tls` says whom a certificate names; `tokens` says
who calls; `pki` is a development authority. Everything fails closed, with a code, and shows no byte of a key.
"""

from gateway.trust.bundle import PartnerBundle, export_bundle, fingerprints, load_bundle, write_bundle_json
from gateway.trust.certificates import Purpose, party_uri, read_certificates
from gateway.trust.certified import OwnFiles, OwnPublicKey, PartnerFiles, TrustFiles
from gateway.trust.directory import FileTrust
from gateway.trust.issuing import Use
from gateway.trust.keys import FileSigner, FileUnwrapper, KeyFiles, key_files_in
from gateway.trust.pseudonyms import FilePseudonymKeys, create_pseudonym_secret
from gateway.trust.sealing import FileSealer, PlainSealer, create_at_rest_key, rotate_at_rest_key
from gateway.trust.tls import PartnerGate, plain_client_context, plain_server_context, refusal_behind
from gateway.trust.tokens import TokenHolder, TokenVerifier, create_issuer, issue_token

__all__ = [
    "FilePseudonymKeys",
    "FileSealer",
    "FileSigner",
    "FileTrust",
    "FileUnwrapper",
    "KeyFiles",
    "OwnFiles",
    "OwnPublicKey",
    "PartnerBundle",
    "PartnerFiles",
    "PartnerGate",
    "PlainSealer",
    "Purpose",
    "TokenHolder",
    "TokenVerifier",
    "TrustFiles",
    "Use",
    "create_at_rest_key",
    "create_issuer",
    "create_pseudonym_secret",
    "export_bundle",
    "fingerprints",
    "issue_token",
    "key_files_in",
    "load_bundle",
    "party_uri",
    "plain_client_context",
    "plain_server_context",
    "read_certificates",
    "refusal_behind",
    "rotate_at_rest_key",
    "write_bundle_json",
]
