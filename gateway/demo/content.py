"""Checks of what the partner got: bytes that the back ends hold, against the originals and the samples' manifest."""

from collections.abc import Callable

from gateway.demo.history import Acknowledged, History
from gateway.demo.values import side_by_side, unseen, values, with_content
from gateway.demo.verdicts import Check, check_each


def stays(history: History) -> Check:
    """Nothing that must not leave is anywhere in what arrived, and no comment or instruction is."""
    words = sum(len(one.document.stays) for one in history.played.acknowledged)
    return _every(
        "withheld",
        f"{words} marked words, and every comment and processing instruction, did not leave",
        expected="none of them in the bytes that the partner's back end got",
        history=history,
        wrong=_leaked,
    )


def _leaked(one: Acknowledged, got: bytes) -> str:
    leaked = [number for number, word in enumerate(one.document.stays, start=1) if word.encode() in got]
    if leaked:
        return f"{len(leaked)} of its {len(one.document.stays)} marked words left"
    return f"{unseen(got)} comments or instructions left" if unseen(got) else ""


def arrives(history: History) -> Check:
    """What must arrive did."""
    words = sum(len(one.document.arrives) for one in history.played.acknowledged)
    return _every(
        "arrived",
        f"{words} marked values arrived",
        expected="each of them in the bytes that the partner's back end got",
        history=history,
        wrong=lambda one, got: "marked values are missing" if not _all_in(one.document.arrives, got) else "",
    )


def unaltered(history: History) -> Check:
    """Every value that arrived stands in the original, as it is, in the same order."""
    return _every(
        "unaltered",
        "every value that arrived stands in the original, the same and in the same order",
        expected="no value that is new, changed or moved",
        history=history,
        wrong=_altered,
    )


def _altered(one: Acknowledged, got: bytes) -> str:
    _, strange = side_by_side(values(one.document.raw), values(got))
    return "" if strange is None else f"{strange.name} is not in the original at its place"


def counted(history: History) -> Check:
    """As many values left and stayed as the manifest says, and as the transfer shows."""
    withheld = sum(one.document.withheld for one in history.played.acknowledged)

    def wrong(one: Acknowledged, got: bytes) -> str:
        standing = history.standing(one)
        left = len(with_content(values(got)))
        stayed = len(with_content(values(one.document.raw))) - left
        shown = None if standing is None else (standing.kept, standing.withheld)
        known = (one.document.kept, one.document.withheld)
        return "" if (left, stayed) == shown == known else f"{left} left and {stayed} stayed, for {known} known before"

    return _every(
        "counted",
        f"{withheld} leaves and attributes stayed: as many as known beforehand and as the transfers show",
        expected="kept and withheld as in the manifest, for each",
        history=history,
        wrong=wrong,
    )


def _every(
    name: str, claim: str, *, expected: str, history: History, wrong: Callable[[Acknowledged, bytes], str]
) -> Check:
    """Return a check over everything that arrived. What did not is another check's."""
    arrived = [(one, got) for one in history.played.acknowledged if (got := history.arrived(one)) is not None]
    return check_each(
        name,
        claim,
        expected=expected,
        of=len(arrived),
        wrong=(f"{one.document.name}: {found}" for one, got in arrived if (found := wrong(one, got.document))),
    )


def _all_in(words: tuple[str, ...], got: bytes) -> bool:
    return all(word.encode() in got for word in words)
