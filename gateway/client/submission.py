"""The client of the submission API."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from gateway.client.bulk import NewSubmission, line_of, read_answers
from gateway.client.connection import ClientError, Connection
from gateway.client.results import Submission, read_submission
from gateway.domain.bulk import BULK_TYPE
from gateway.domain.ids import MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.priority import Priority

__all__ = ["SubmissionClient"]


class SubmissionClient(Connection):
    """Submits documents and asks what became of them: `async with SubmissionClient(url, token) as client`."""

    async def submit(
        self,
        document: bytes,
        *,
        to: Sequence[PartyId],
        sender: PartyId | None = None,
        conversation: str | None = None,
        priority: Priority | None = None,
        in_reply_to: MessageId | None = None,
        idempotency_key: str | None = None,
        explain_values: bool = False,
        language: str | None = None,
    ) -> Submission:
        """Return the accepted submission. Raises ClientError.

        `explain_values`: a refusal shows what stands in the document beside what is wrong with it. `language`: of the
        texts in a refusal, such as `en`.

        After an unknown outcome (no answer, 503) ask again with the same `idempotency_key`: it is accepted once. None
        makes a fresh key.
        """
        query = {
            "to": ",".join(to),
            **_given({"from": sender, "conversation": conversation, "in_reply_to": in_reply_to, "priority": priority}),
            **({"explain": "values"} if explain_values else {}),
        }
        answer = await self.request(
            "POST",
            "/v1/submissions",
            query=query,
            headers={
                "Content-Type": "application/xml",
                "Idempotency-Key": idempotency_key or str(uuid4()),
                **_given({"Accept-Language": language}),
            },
            body=document,
        )
        return _submission(answer.json(), replayed=answer.headers.get("Idempotency-Replayed") == "true")

    async def submit_many(
        self, submissions: Sequence[NewSubmission], *, language: str | None = None
    ) -> "list[Submission | ClientError]":
        """Return for each what `submit` would have returned or raised, in their order. Raises ClientError where there
        is no answer, or one for the request as a whole.

        They go in one request, so at most as many as `in_requests` yields. Messages of one conversation keep their
        order. After an unknown outcome ask again with the same keys.
        """
        answer = await self.request(
            "POST",
            "/v1/submissions/bulk",
            headers={"Content-Type": BULK_TYPE, **_given({"Accept-Language": language})},
            body=b"\n".join(map(line_of, submissions)),
        )
        return read_answers(answer.body, submissions)

    async def get(self, submission_id: SubmissionId) -> Submission:
        """Return one submission as it stands. Raises ClientError."""
        return _submission((await self.request("GET", f"/v1/submissions/{submission_id}")).json())

    async def list(
        self, *, limit: int = 50, before: SubmissionId | None = None
    ) -> tuple[tuple[Submission, ...], SubmissionId | None]:
        """Return own submissions, newest first, and what to give as `before` for older ones."""
        query = {"limit": str(limit), **_given({"before": before})}
        value = (await self.request("GET", "/v1/submissions", query=query)).json()
        return tuple(_submission(one) for one in value["submissions"]), value["next"]

    async def receipt(self, transfer_id: TransferId) -> str:
        """Return the partner's receipt, a compact JWS. Raises ClientError `request.not_found` when there is none."""
        return (await self.request("GET", f"/v1/transfers/{transfer_id}/receipt")).body.decode("ascii")


def _given(parameters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value is not None}


def _submission(value: Mapping[str, object], *, replayed: bool = False) -> Submission:
    try:
        return read_submission(value, replayed=replayed)
    except (KeyError, ValueError, TypeError) as error:
        raise ClientError("client.unexpected_answer", "The answer is not a submission") from error
