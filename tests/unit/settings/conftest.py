"""A node's settings file that is right in every point, to be spoilt one point at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = (
    "keys/tls.pem",
    "keys/tls-chain.pem",
    "keys/sign.pem",
    "keys/sign-chain.pem",
    "keys/open.pem",
    "keys/open-chain.pem",
    "keys/at-rest.key",
    "keys/webhook.secret",
    "trust/roots.pem",
    "trust/issuing.crl",
    "tokens/jwks.json",
)

NODE = """\
name = "gb-node"
data_dir = "data"
agreements = ["agreements"]
workers = 0

[listeners]
submission = { host = "127.0.0.1", port = 8441 }
partner = { host = "0.0.0.0", port = 8442, tls = { key = "keys/tls.pem", certificate = "keys/tls-chain.pem" } }
operations = { host = "127.0.0.1", port = 8443 }

[tokens]
issuer = "https://login.example"
audience = "gateway"
jwks = "tokens/jwks.json"

[trust]
roots = "trust/roots.pem"
crls = ["trust/issuing.crl"]
crl_max_age = "24h"

[at_rest]
key = "keys/at-rest.key"

[[parties]]
id = "GB-HMRC"
tls = { key = "keys/tls.pem", certificate = "keys/tls-chain.pem" }
signing = [{ key = "keys/sign.pem", certificate = "keys/sign-chain.pem" }]
decryption = [{ key = "keys/open.pem", certificate = "keys/open-chain.pem" }]

[parties.backend]
url = "https://backend.example/inbox"
secret_file = "keys/webhook.secret"
timeout = "10s"

[[partners]]
id = "FR-DGDDI"
url = "https://gateway.example:8442"
folder = "partners/FR-DGDDI"

[[clients]]
id = "cds"
roles = ["submitter"]
parties = ["GB-HMRC"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file that NODE names."""
    for name in FILES:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"-")
    (tmp_path / "agreements").mkdir()
    (tmp_path / "partners" / "FR-DGDDI").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def write_node(folder: Path) -> Callable[..., Path]:
    """Write NODE with (old, new) texts replaced; each old text must be there."""

    def write(*changes: tuple[str, str]) -> Path:
        text = NODE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = folder / "node.toml"
        path.write_text(text)
        return path

    return write
