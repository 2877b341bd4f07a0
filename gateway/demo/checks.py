"""Everything the demo claims, held against what was seen. Pure: a history in, verdicts out.

No check asks the code it judges: what must arrive and what must stay is written down in the samples' manifest, bytes
are those that the back ends hold, statements are verified by other libraries, the chain by another program.

    traffic.py    all was taken, nothing lost, doubled or invented, refusals refused, answers in order
    content.py    what the partner got, value by value
    evidence.py   receipts, notices, audit
"""

from gateway.demo import content, evidence, traffic
from gateway.demo.history import History
from gateway.demo.verdicts import Check


def judge(history: History) -> tuple[Check, ...]:
    """Return every check with its verdict."""
    return (
        traffic.all_taken(history),
        *traffic.refusals(history),
        traffic.nothing_kept_of_refused(history),
        traffic.killed(history),
        traffic.forgery(history),
        traffic.over_shared(history),
        traffic.delivered(history),
        traffic.nothing_lost(history),
        traffic.nothing_invented(history),
        traffic.nothing_doubled(history),
        content.stays(history),
        content.arrives(history),
        content.unaltered(history),
        content.counted(history),
        traffic.answers(history),
        *traffic.conversation(history),
        evidence.receipts(history),
        evidence.notices(history),
        *(check for party in history.books for check in evidence.audit(history, party)),
    )
