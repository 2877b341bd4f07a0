"""Reads one agreement file: its terms and its flows, and everything that is wrong with them at once."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from gateway.domain.agreement import Agreement, Flow, OverSharing, PseudonymPeriod
from gateway.domain.ids import AgreementId, PartyId, RuleSetId, SchemaSetId, party_id
from gateway.domain.limits import CEILING_DOCUMENT_BYTES, MAX_DOCUMENT_BYTES
from gateway.domain.message import MessageKind, Terms
from gateway.domain.retry import RetryPolicy
from gateway.policy import Policy
from gateway.policy.language.reading import Reading, nearest
from gateway.policy.language.source import Fields, Node, Word
from gateway.schema import CodeCatalogue, RuleSet
from gateway.settings.profile_keys import CheckLists, read_profile
from gateway.settings.schemas import Catalogue

__all__ = ["AgreementReading"]

CRYPTO_PROFILES: Final = frozenset({"wcx-es256-1"})
# Terms travel in a protected header of at most 8 KiB; this is what docs/protocol.md allows for each.
MAX_TERM_CHARS: Final = 500
_REQUIRED: Final = (
    *("agreement", "version", "parties", "valid_from", "valid_until", "legal_basis", "purpose", "onward_use"),
    *("retention_days", "crypto_profile", "message_lifetime", "retry", "flows"),
)
_OPTIONAL: Final = ("suspended", "max_document_bytes", "release", "pseudonym_period", "over_shared")
_DURATION: Final = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Words = TypeVar("_Words", bound=StrEnum)
_RELEASE: Final = {"one-officer": 1, "four-eyes": 2}
"""How many officers release what a rule holds."""


class AgreementReading(Reading):
    """The reading of one agreement file."""

    def __init__(
        self,
        file: Path,
        catalogue: Catalogue,
        policy_in: Callable[[Path], Policy | None],
        rules_in: Callable[[RuleSetId, SchemaSetId | None], RuleSet | str],
        code_lists: CodeCatalogue,
        check_lists: CheckLists,
    ) -> None:
        """`policy_in` returns the policy in a file, or None after noting elsewhere what is wrong with it.

        `rules_in` returns the rule set of an id for a schema set, or what is wrong with naming it; `check_lists` what
        is wrong with code lists for a schema set.
        """
        super().__init__(str(file))
        self.folder = file.parent
        self.catalogue = catalogue
        self.policy_in = policy_in
        self.rules_in = rules_in
        self.code_lists = code_lists
        self.check_lists = check_lists
        self.seen: dict[tuple[PartyId, PartyId, MessageKind], int] = {}

    def agreement(self, node: Node) -> Agreement:
        """Return the agreement, yet without its hash; only to be used when nothing was noted."""
        top = self.fields(node, "", required=_REQUIRED, optional=_OPTIONAL)
        parties = self._parties(top)
        retry = self._retry(top)
        lifetime = self._span(top, "message_lifetime", default=timedelta(days=1))
        if "message_lifetime" in top.fields and lifetime < retry.deadline:
            problem = "is shorter than the deadline of `retry`"
            self.note(self._line(top, "message_lifetime"), "message_lifetime", problem, "Make it at least as long")
        valid_from, valid_until = self._day(top, "valid_from"), self._day(top, "valid_until")
        if {"valid_from", "valid_until"} <= set(top.fields) and not valid_from < valid_until:
            self.note(self._line(top, "valid_until"), "valid_until", "is not after `valid_from`", "Write a later date")
        terms = Terms(
            legal_basis=self._term(top, "legal_basis"),
            purpose=self._term(top, "purpose"),
            onward_use=self._term(top, "onward_use"),
            retention_days=self.number(top, "retention_days", least=1, most=36500),
        )
        flows = self._flows(top, parties)
        self._check_sets_in_force(top, flows, valid_from, valid_until)
        return Agreement(
            id=AgreementId(self.name(top, "agreement")),
            version=self.number(top, "version", least=1, most=1_000_000),
            sha256="",
            parties=parties,
            flows=flows,
            terms=terms,
            crypto_profile=self._word(top, "crypto_profile", CRYPTO_PROFILES),
            valid_from=valid_from,
            valid_until=valid_until,
            suspended=self.truth(top, "suspended", default=False),
            retry=retry,
            message_lifetime=lifetime,
            max_document_bytes=self.number(
                top, "max_document_bytes", least=1024, most=CEILING_DOCUMENT_BYTES, default=MAX_DOCUMENT_BYTES
            ),
            release_approvals=_RELEASE.get(self._word(top, "release", _RELEASE), 1) if "release" in top.fields else 1,
            pseudonym_period=self._one_of(top, "pseudonym_period", PseudonymPeriod, PseudonymPeriod.QUARTER),
            over_shared=self._one_of(top, "over_shared", OverSharing, OverSharing.REFUSE),
        )

    def _line(self, parent: Fields, name: str) -> int:
        return parent.fields[name].line if name in parent.fields else parent.line

    def _term(self, top: Fields, name: str) -> str:
        text = self.text(top, name)
        if len(text) > MAX_TERM_CHARS or not text.isprintable():
            fix = f"Keep it to one line of at most {MAX_TERM_CHARS} characters; it travels with every message"
            self.note(self._line(top, name), name, "is too long or holds characters that do not print", fix)
        return text

    def _word(self, parent: Fields, name: str, known: Iterable[str], key: str = "") -> str:
        text = self.text(parent, name, key)
        if text and text not in known:
            self.note(self._line(parent, name), name, "is not known", f"Write one of {', '.join(sorted(known))}")
        return text

    def _one_of(self, top: Fields, name: str, known: type[_Words], usual: _Words) -> _Words:
        """Return one word of a closed list, or the usual one where nothing is said."""
        text = self._word(top, name, [one.value for one in known]) if name in top.fields else ""
        return next((one for one in known if one == text), usual)

    def _span(self, parent: Fields, name: str, key: str = "", *, default: timedelta) -> timedelta:
        """Return the length of time under `name`, such as `30s`, `10m`, `24h`, `90d`."""
        entry = parent.fields.get(name)
        if entry is None:
            return default
        value = entry.node.value if isinstance(entry.node, Word) else None
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
        # Ten years: longer is a slip of the pen, and keeps every sum of times within range.
        if not 0 < seconds <= 3660 * 86400:
            fix = "Write a number and a unit, such as 30s, 10m, 24h or 90d"
            self.note(entry.line, f"{key}.{name}" if key else name, "is not a length of time", fix)
            return default
        return timedelta(seconds=seconds)

    def _day(self, top: Fields, name: str) -> datetime:
        """Return the date under `name` (YYYY-MM-DD) as its first moment in UTC."""
        stand_in = datetime(1970, 1, 1, tzinfo=UTC)
        entry = top.fields.get(name)
        if entry is None:
            return stand_in
        value = entry.node.value if isinstance(entry.node, Word) else None
        try:
            date = datetime.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
        except ValueError:
            date = None
        if date is None:
            self.note(entry.line, name, "is not a date", "Write it as year-month-day, such as 2026-01-31")
            return stand_in
        return date.replace(tzinfo=UTC)

    def _party(self, node: Node, key: str) -> PartyId | None:
        text = self.as_text(node, key)
        try:
            return party_id(text) if text else None
        except ValueError as error:
            self.note(node.line, key, "is not a party id", f"Remember: {error}")
            return None

    def _parties(self, top: Fields) -> frozenset[PartyId]:
        found: list[PartyId] = []
        for number, node in enumerate(self.items(top, "parties"), start=1):
            party = self._party(node, f"parties[{number}]")
            found += [party] if party is not None else []
        if "parties" in top.fields and len(set(found)) != len(found):
            self.note(self._line(top, "parties"), "parties", "names a party twice", "Name it once")
        if "parties" in top.fields and len(found) < 2:
            self.note(self._line(top, "parties"), "parties", "names fewer than two parties", "Name both sides")
        return frozenset(found)

    def _retry(self, top: Fields) -> RetryPolicy:
        entry, usual = top.fields.get("retry"), RetryPolicy()
        if entry is None:
            return usual
        fields = self.fields(entry.node, "retry", required=("first_wait", "cap", "deadline"), optional=("attempts",))
        most = self.number(fields, "attempts", "retry", least=1, most=1_000_000)
        retry = RetryPolicy(
            first_wait=self._span(fields, "first_wait", "retry", default=usual.first_wait),
            cap=self._span(fields, "cap", "retry", default=usual.cap),
            deadline=self._span(fields, "deadline", "retry", default=usual.deadline),
            attempts=most if "attempts" in fields.fields else None,
        )
        if not retry.first_wait <= retry.cap <= retry.deadline:
            fix = "Write first_wait ≤ cap ≤ deadline"
            self.note(entry.line, "retry", "has waits that do not fit together", fix)
        return retry

    # ── flows ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _flows(self, top: Fields, parties: frozenset[PartyId]) -> tuple[Flow, ...]:
        found: list[Flow] = []
        for number, node in enumerate(self.items(top, "flows"), start=1):
            flow = self._flow(node, f"flows[{number}]", parties)
            found += [flow] if flow is not None else []
        return tuple(found)

    def _flow(self, node: Node, key: str, parties: frozenset[PartyId]) -> Flow | None:
        fields = self.fields(node, key, required=("from", "to", "kinds", "schema_set", "policy"), optional=("profile",))
        sender, recipient = self._side(fields, "from", key, parties), self._side(fields, "to", key, parties)
        kinds = self._kinds(fields, key)
        schema_set = self._schema_set(fields, key, kinds)
        policy = self._policy(fields, key, schema_set)
        profile = read_profile(self, fields, key, self.rules_in, self.code_lists, self.check_lists)
        if sender is None or recipient is None or policy is None:
            return None
        if sender == recipient:
            self.note(fields.line, key, "has the same party on both sides", "Name two parties")
        for kind in sorted(kinds):
            first = self.seen.setdefault((sender, recipient, kind), fields.line)
            if first != fields.line:
                problem = f"covers {kind} from {sender} to {recipient}, as the flow of line {first} does"
                self.note(fields.line, f"{key}.kinds", problem, "Remove the kind from one of them")
        return Flow(
            sender=sender,
            recipient=recipient,
            kinds=kinds,
            schema_set=policy.schema_set,
            schema_set_sha256=self.catalogue[policy.schema_set].sha256,
            policy=f"{policy.id} version {policy.version}",
            policy_sha256=policy.sha256,
            profile=profile,
        )

    def _check_sets_in_force(self, top: Fields, flows: Iterable[Flow], start: datetime, end: datetime) -> None:
        """A set must be valid at some time of the agreement; what is sent outside of that is refused one by one."""
        for set_id in sorted({flow.schema_set for flow in flows}):
            named = self.catalogue[set_id]
            begins, ends = named.valid_from, named.valid_until
            if (begins is not None and begins >= end.date()) or (ends is not None and ends <= start.date()):
                since = f" from {begins}" if begins is not None else ""
                until = f" until {ends}" if ends is not None else ""
                problem = f"names {set_id}, which is valid{since}{until}, never while the agreement is in force"
                self.note(self._line(top, "flows"), "flows", problem, "Name the set of the release that is valid then")

    def _side(self, fields: Fields, name: str, key: str, parties: frozenset[PartyId]) -> PartyId | None:
        entry = fields.fields.get(name)
        if entry is None:
            return None
        found = self._party(entry.node, f"{key}.{name}")
        if found is not None and found not in parties:
            self.note(entry.line, f"{key}.{name}", f"names {found}, which is not in `parties`", "Add it there")
        return found

    def _kinds(self, fields: Fields, key: str) -> frozenset[MessageKind]:
        found: list[MessageKind] = []
        for node in self.items(fields, "kinds", key):
            text = node.value if isinstance(node, Word) else None
            if isinstance(text, str) and text in frozenset(MessageKind):
                found.append(MessageKind(text))
                continue
            near = nearest(str(text), MessageKind)
            fix = f"Did you mean `{near}`?" if near else f"Write some of {', '.join(MessageKind)}"
            self.note(node.line, f"{key}.kinds", "holds what is not a message kind", fix)
        return frozenset(found)

    def _schema_set(self, fields: Fields, key: str, kinds: frozenset[MessageKind]) -> SchemaSetId | None:
        name = self.name(fields, "schema_set", key)
        if not name:
            return None
        known = self.catalogue.get(SchemaSetId(name))
        line, where = self._line(fields, "schema_set"), f"{key}.schema_set"
        if known is None:
            near = nearest(name, self.catalogue)
            fix = f"Did you mean `{near}`?" if near else f"Use one of {', '.join(sorted(self.catalogue))}"
            self.note(line, where, f"names the unknown schema set {name}", fix)
            return None
        if foreign := sorted(kinds - set(known.kinds)):
            problem = f"names {name}, which is not for {', '.join(foreign)}"
            self.note(line, where, problem, "Make a flow of its own for that kind, under its set")
        return known.id

    def _policy(self, fields: Fields, key: str, schema_set: SchemaSetId | None) -> Policy | None:
        name = self.text(fields, "policy", key)
        if not name:
            return None
        line, where = self._line(fields, "policy"), f"{key}.policy"
        file = self.folder / name
        if not file.is_file():
            fix = f"Correct the path; it is taken from {self.folder}"
            self.note(line, where, f"names a policy file that does not exist ({name})", fix)
            return None
        policy = self.policy_in(file)
        if policy is not None and schema_set is not None and policy.schema_set != schema_set:
            problem = f"names a policy for {policy.schema_set}, while the flow is under {schema_set}"
            self.note(line, where, problem, "Name a policy written for the flow's schema set")
        return policy
