"""Thumbprints of the keys whose private halves are published under docs/vectors. Anyone can sign with them, so trust
refuses them wherever a key comes in: from files, partner bundles, capabilities."""

from typing import Final

from gateway.domain.ids import KeyId

VECTOR_KEY_IDS: Final[tuple[KeyId, ...]] = ()
