"""Envelopes and signed statements: closed crypto profiles, strict parsing, sign, encrypt, decrypt, verify.

Start reading in `message.py`. Private keys stay behind the Protocols of `keys.py`; nothing here reads a clock, a file
or a directory. Chance is drawn in one place, `es256.fresh_secrets`.
"""

from gateway.envelope.claimed import claimed_message_id
from gateway.envelope.es256 import PROFILE
from gateway.envelope.header import Routing
from gateway.envelope.jwk import certificate_thumbprint, jwk_from_public_key, public_key_from_jwk, thumbprint
from gateway.envelope.keys import Signer, Unwrapper, VerificationKey, WrappingKey
from gateway.envelope.message import (
    DecryptedEnvelope,
    Envelope,
    FindUnwrapper,
    FindVerificationKey,
    OpenedMessage,
    SignedView,
    check_times,
    decrypt_envelope,
    encrypt,
    open_envelope,
    payload_of,
    sign_view,
    verify_message,
)
from gateway.envelope.protected import StatementType
from gateway.envelope.statement import (
    sign_not_seen,
    sign_notice,
    sign_problem,
    sign_receipt,
    sign_statement,
    statement_type,
    verify_not_seen,
    verify_notice,
    verify_problem,
    verify_receipt,
    verify_statement,
)
from gateway.envelope.vectors import VECTOR_KEY_IDS

__all__ = [
    "PROFILE",
    "VECTOR_KEY_IDS",
    "DecryptedEnvelope",
    "Envelope",
    "FindUnwrapper",
    "FindVerificationKey",
    "OpenedMessage",
    "Routing",
    "SignedView",
    "Signer",
    "StatementType",
    "Unwrapper",
    "VerificationKey",
    "WrappingKey",
    "certificate_thumbprint",
    "check_times",
    "claimed_message_id",
    "decrypt_envelope",
    "encrypt",
    "jwk_from_public_key",
    "open_envelope",
    "payload_of",
    "public_key_from_jwk",
    "sign_not_seen",
    "sign_notice",
    "sign_problem",
    "sign_receipt",
    "sign_statement",
    "sign_view",
    "statement_type",
    "thumbprint",
    "verify_message",
    "verify_not_seen",
    "verify_notice",
    "verify_problem",
    "verify_receipt",
    "verify_statement",
]
