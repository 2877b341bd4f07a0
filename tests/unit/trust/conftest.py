"""A clock that stands where it is put, and a PKI of two parties."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.pki import TestPki, make_pki

NOW = datetime.now(UTC).replace(microsecond=0)
"""The real time: OpenSSL asks nobody else when it judges certificates."""


@dataclass(slots=True)
class StandingClock:
    """A clock that moves only when told."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, **span: float) -> datetime:
        self.moment += timedelta(**span)
        return self.moment


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def pki(tmp_path: Path, now: datetime) -> TestPki:
    return make_pki(tmp_path, ["GB-HMRC", "FR-DGDDI"], now)
