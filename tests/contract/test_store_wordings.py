"""What every store promises about the texts of agreements and policies: each that was ever in force is still here."""

from datetime import timedelta

from gateway.audit import AuditEvent
from gateway.domain.wording import Wording, WordingKind
from gateway.ports import Store
from tests.contract.store_cases import StoreCase
from tests.contract.store_steps import LATER
from tests.store_values import NOW

AGREEMENT = Wording(kind=WordingKind.AGREEMENT, id="gb-fr", version=1, sha256="aa", text="agreement: gb-fr\n")
SUSPENDED = Wording(kind=WordingKind.AGREEMENT, id="gb-fr", version=1, sha256="aa", text="suspended: true\n")
POLICY = Wording(kind=WordingKind.POLICY, id="customs", version=1, sha256="bb", text="policy: customs ü\n")
NEWER = Wording(kind=WordingKind.POLICY, id="customs", version=2, sha256="cc", text="policy: customs\nversion: 2\n")
AFTER = LATER + timedelta(days=1)


async def events(store: Store) -> list[tuple[str, str]]:
    return [(record.entry.event.value, str(record.entry.facts["digest"])) for record in await store.audit()]


async def test_what_is_put_in_force_is_there_with_its_text_by_whom_and_since_when(
    case: StoreCase,
) -> None:
    async with case.opened() as store:
        assert await store.put_in_force([AGREEMENT, POLICY], actor="system", now=NOW) == (2, 0)
    async with case.opened() as store:
        assert await store.wording(POLICY.text_sha256) == POLICY
        assert await store.wording("0" * 64) is None
        history = await store.history()
        assert [(one.id, one.since, one.until, one.actor) for one in history] == [
            ("gb-fr", NOW, None, "system"),
            ("customs", NOW, None, "system"),
        ]


async def test_a_newer_text_ends_the_older_one_and_both_stay(store: Store) -> None:
    await store.put_in_force([AGREEMENT, POLICY], actor="system", now=NOW)
    told = await store.put_in_force([AGREEMENT, NEWER], actor="operator:eve", reason="audit found more", now=LATER)
    assert told == (1, 1)
    newer, older = await store.history(of="customs")
    assert (newer.version, newer.since, newer.until) == (2, LATER, None)
    assert (newer.actor, newer.reason) == ("operator:eve", "audit found more")
    assert (older.version, older.since, older.until) == (1, NOW, LATER)
    assert await store.wording(older.text_sha256) == POLICY
    assert (await events(store))[-2:] == [
        (AuditEvent.POLICY_WITHDRAWN.value, POLICY.text_sha256),
        (AuditEvent.POLICY_IN_FORCE.value, NEWER.text_sha256),
    ]


async def test_the_same_texts_again_change_nothing(store: Store) -> None:
    await store.put_in_force([AGREEMENT, POLICY], actor="system", now=NOW)
    before = await events(store)
    assert await store.put_in_force([POLICY, AGREEMENT, POLICY], actor="system", now=LATER) == (0, 0)
    assert await events(store) == before


async def test_a_text_that_comes_back_is_kept_once_and_has_two_times(store: Store) -> None:
    for now, texts in ((NOW, [AGREEMENT]), (LATER, [SUSPENDED]), (AFTER, [AGREEMENT])):
        await store.put_in_force(texts, actor="system", now=now)
    history = await store.history(of="gb-fr")
    assert [(one.text_sha256, one.until) for one in history] == [
        (AGREEMENT.text_sha256, None),
        (SUSPENDED.text_sha256, AFTER),
        (AGREEMENT.text_sha256, LATER),
    ]
    assert {one.sha256 for one in history} == {"aa"}
    assert [one.since for one in await store.history(limit=1)] == [AFTER]
    assert AuditEvent.AGREEMENT_WITHDRAWN.value in dict(await events(store))
    assert AuditEvent.AGREEMENT_IN_FORCE.value in dict(await events(store))


async def test_a_text_is_found_by_the_beginning_of_the_hash_of_messages_or_of_its_own(store: Store) -> None:
    await store.put_in_force([AGREEMENT, POLICY], actor="system", now=NOW)
    assert [one.id for one in await store.history(begins="b")] == ["customs"]
    assert [one.id for one in await store.history(begins=AGREEMENT.text_sha256[:9])] == ["gb-fr"]
    assert await store.history(of="gb-fr", begins="bb") == []
    assert await store.history(begins="%") == []
