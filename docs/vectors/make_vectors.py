"""Makes the test vectors of docs/protocol.md:  python docs/vectors/make_vectors.py

The same files come out every time (see positive.py), and a test compares them with what lies here.
"""

import json
from pathlib import Path

from negative import negative
from positive import keys, message, statements

HERE = Path(__file__).parent


def files() -> dict[str, str]:
    """Return the content of every file this script makes, by name."""
    made = {"keys": keys(), "message": message(), "statements": statements(), "negative": negative()}
    return {f"{name}.json": json.dumps(content, indent=2, ensure_ascii=True) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, content in files().items():
        (HERE / name).write_text(content, encoding="ascii")
