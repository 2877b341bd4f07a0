"""What another policy would mean for documents of yesterday: which would change, gain, lose, or be refused."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.policy.telling.diff import Diff

__all__ = ["Effect", "Turn", "effect"]


class Turn(StrEnum):
    """What another policy would mean for one document."""

    SAME = "same"
    DIFFERENT = "different"
    NOW_REFUSED = "now_refused"
    NOW_INVALID = "now_invalid"
    NOW_SENT = "now_sent"
    STILL_REFUSED = "still_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How two policies differ on one document. Paths with indexes, no values; codes are of refusals, else empty.

    `gained`: leaves only under the new one; `lost`: only under the old; `altered`: under both, with another value.
    """

    turn: Turn
    old_code: str
    new_code: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    altered: tuple[str, ...]


def effect(found: Diff) -> Effect:
    """Return the effect of the second policy of a diff against the first."""
    old, new = found.outcomes
    sides = [(place.path, place.sides[0].value, place.sides[1].value) for place in found.places if not place.is_empty]
    gained = tuple(path for path, before, after in sides if before is None and after is not None)
    lost = tuple(path for path, before, after in sides if before is not None and after is None)
    altered = tuple(path for path, before, after in sides if None not in (before, after) and before != after)
    return Effect(
        turn=_turn(old.code, new.code, differs=bool(gained or lost or altered)),
        old_code=old.code,
        new_code=new.code,
        gained=gained,
        lost=lost,
        altered=altered,
    )


def _turn(old: str, new: str, *, differs: bool) -> Turn:
    match bool(old), bool(new):
        case False, True:
            return Turn.NOW_INVALID if new == "policy.view_invalid" else Turn.NOW_REFUSED
        case True, False:
            return Turn.NOW_SENT
        case True, True:
            return Turn.STILL_REFUSED
        case _:
            return Turn.DIFFERENT if differs else Turn.SAME
