"""Envelopes and signed statements: closed crypto profiles, strict parsing, sign, encrypt, decrypt, verify."""

from gateway.envelope.keys import Signer, Unwrapper, VerificationKey, WrappingKey

__all__ = ["Signer", "Unwrapper", "VerificationKey", "WrappingKey"]
