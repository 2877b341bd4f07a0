"""Thumbprints of the keys whose private halves are published under docs/vectors. Anyone can sign with them, so trust
refuses them wherever a key comes in: from files, partner bundles, capabilities."""

from typing import Final

from gateway.domain.ids import KeyId

VECTOR_KEY_IDS: Final[tuple[KeyId, ...]] = (
    KeyId("ZjUqHxRkYRuwPD14CrU7opaC5lbOevVZ6zQi5MoxNWw"),  # XA-NORTH signing
    KeyId("CgKt9cVQhZ8koF0avChL_u_Afi_D1K9RHybISIsklXw"),  # XA-NORTH retired signing
    KeyId("mdPiFvmcR7DqwoEXUjEVZKYkUcwfyL73QHYg-cZZ0WA"),  # XA-NORTH revoked signing
    KeyId("PRyzm3bClcU1X_FVBL2GLq1LvpVsc1KkZ7GoW9YdQjk"),  # XB-SOUTH signing
    KeyId("sWJ2lYhIFWlcQKWJdnOl2waeT9uxJV4AO9Y2Gm9Xr0Q"),  # stranger signing
    KeyId("vLDikjC-ljp2HNqigGNwg_z4yeyjTAAE0vxjLvN6mAc"),  # XA-NORTH decryption
    KeyId("pTqNlF5b5Sh0lJXAu1HDDJ2IgEcFggI2UVbAuqLlOT4"),  # XB-SOUTH decryption
    KeyId("HH4h-dn312q6iTsjMVK16v0jyDvYe5KRQmCHBpoQGbU"),  # ephemeral
)
