"""Work for the worker tests: small batch functions that do what a job's payload tells them. Importable by name, as a
spawned worker needs them."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.domain.ids import AgreementId, KeyId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    CheckAskedJob,
    CheckAskedResult,
    CheckJob,
    CheckNoticeJob,
    CheckNoticeResult,
    CheckResult,
    PrepareJob,
    PrepareResult,
    RefusedSubmission,
    SealedEnvelope,
    SealJob,
    SealResult,
    Unopened,
)
from gateway.domain.message import AgreementRef
from gateway.domain.statement import Notice, NotSeen, Problem
from gateway.errors import ConfigurationError, EnvelopeError, GatewayError
from gateway.workers import JobTable

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CANARY = "CANARY-4711"


@dataclass(frozen=True)
class Snapshot:
    """Where the scripted work leaves its traces."""

    folder: Path


@dataclass(frozen=True)
class ScriptedDesk:
    folder: Path
    laid_out_in: int
    thread: int


class Recorder:
    """A Telemetry that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, str | int]]] = []

    def line(
        self,
        action: str,
        *,
        outcome: str,  # noqa: ARG002
        duration: timedelta | None = None,  # noqa: ARG002
        code: str = "",
        **labels: str | int,
    ) -> None:
        self.lines.append((action, code, labels))


def lay_out(snapshot: Snapshot) -> ScriptedDesk:
    """Fail as files in the folder say, else lay out a desk and leave a line about it."""
    if (snapshot.folder / "refuse").exists():
        raise ConfigurationError("config.not_found", "a key is gone")
    if (snapshot.folder / "refuse-once").exists():
        (snapshot.folder / "refuse-once").unlink()
        raise ConfigurationError("config.not_found", "a key is gone for a moment")
    if (snapshot.folder / "break").exists():
        raise KeyError(CANARY)
    if (snapshot.folder / "die").exists():
        os._exit(3)
    _trace(snapshot.folder, "desk", str(os.getpid()))
    return ScriptedDesk(snapshot.folder, os.getpid(), threading.get_ident())


def traced(folder: Path, name: str) -> list[str]:
    """Return the lines left under this name."""
    file = folder / name
    return file.read_text().splitlines() if file.exists() else []


def do(told: str, desk: ScriptedDesk) -> str:
    """Do what the payload tells; return the payload and the process it was done in."""
    assert desk.laid_out_in == os.getpid()
    assert desk.thread == threading.get_ident()
    what, _, argument = told.partition(" ")
    match what:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        case "kill-once" if not (desk.folder / argument).exists():
            (desk.folder / argument).touch()
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        case "exit":
            sys.exit(1)
        case "hang":
            _meet(desk.folder / "hangs")
            threading.Event().wait()
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise ValueError(CANARY)
        case "refuse":
            raise EnvelopeError("envelope.malformed", "scripted")
        case "wait":
            _meet(desk.folder / f"{argument}.here")
            _meet(desk.folder / argument)
        case _:
            pass
    return f"{told}@{os.getpid()}"


def run_check(
    jobs: Sequence[CheckJob | CheckNoticeJob | CheckAskedJob], desk: ScriptedDesk
) -> list[CheckResult | CheckNoticeResult | CheckAskedResult]:
    _note("check", [job.token for job in jobs], desk)
    return [_verdict(job, desk) for job in jobs]


def _verdict(
    job: CheckJob | CheckNoticeJob | CheckAskedJob, desk: ScriptedDesk
) -> CheckResult | CheckNoticeResult | CheckAskedResult:
    return _checked(do(job.token, desk), job)


def run_seal(jobs: Sequence[SealJob], desk: ScriptedDesk) -> list[SealResult]:
    _note("seal", [job.sealed_jws.decode() for job in jobs], desk)
    results: list[SealResult] = [SealedEnvelope(jwe=do(job.sealed_jws.decode(), desk)) for job in jobs]
    if any(job.sealed_jws == b"drop" for job in jobs):
        return results[:-1]
    return [_unpicklable() if job.sealed_jws == b"lambda" else one for job, one in zip(jobs, results, strict=True)]


def run_admit(jobs: Sequence[AdmitJob], desk: ScriptedDesk) -> list[AdmitResult]:
    _note("admit", [job.jwe for job in jobs], desk)
    return [
        Unopened(envelope_sha256=do(job.jwe, desk), error=GatewayError("envelope.malformed"), problem=None, token=None)
        for job in jobs
    ]


def run_prepare(jobs: Sequence[PrepareJob], desk: ScriptedDesk) -> list[PrepareResult]:
    _note("prepare", [job.body[:64].decode() for job in jobs], desk)
    return [
        RefusedSubmission(problems={None: GatewayError("document.empty", do(job.body[:64].decode(), desk))})
        for job in jobs
    ]


TABLE: JobTable[ScriptedDesk] = JobTable(prepare=run_prepare, seal=run_seal, admit=run_admit, check=run_check)


def check_job(token: str) -> CheckJob:
    return CheckJob(
        token=token,
        message_id=MessageId("m"),
        digest="",
        envelope_sha256=None,
        sender=PartyId("GB-HMRC"),
        recipient=PartyId("NL-DUANE"),
        agreement=AgreementRef(id=AgreementId("gb-nl"), version=1, sha256=""),
        now=NOW,
    )


def check_notice_job(token: str) -> CheckNoticeJob:
    return CheckNoticeJob(
        token=token,
        message_id=MessageId("m"),
        digest="",
        sender=PartyId("GB-HMRC"),
        recipient=PartyId("NL-DUANE"),
        created=NOW,
        now=NOW,
    )


def check_asked_job(token: str) -> CheckAskedJob:
    return CheckAskedJob(
        token=token,
        message_id=MessageId("m"),
        digest="",
        sender=PartyId("GB-HMRC"),
        recipient=PartyId("NL-DUANE"),
        now=NOW,
    )


def seal_job(told: str) -> SealJob:
    return SealJob(
        transfer_id=TransferId("t"),
        message_id=MessageId("m"),
        sender=PartyId("GB-HMRC"),
        recipient=PartyId("NL-DUANE"),
        sealed_jws=told.encode(),
        now=NOW,
    )


def admit_job(told: str) -> AdmitJob:
    return AdmitJob(jwe=told, channel_party=PartyId("GB-HMRC"), statement_id="s", now=NOW)


def prepare_job(told: str, padding: int = 0) -> PrepareJob:
    return PrepareJob(
        submission_id=SubmissionId("s"),
        body=told.encode() + b" " * padding,
        sender=PartyId("GB-HMRC"),
        client="c",
        slots={},
        conversation_key=None,
        in_reply_to=None,
        now=NOW,
    )


def told_by(result: SealResult) -> str:
    """Return the payload that a seal job was given, as its result repeats it."""
    assert isinstance(result, SealedEnvelope)
    return result.jwe.partition("@")[0]


def pid_of(result: SealResult) -> int:
    """Return the process that did a seal job."""
    assert isinstance(result, SealedEnvelope)
    return int(result.jwe.partition("@")[2])


def _meet(pipe: Path) -> None:
    # A named pipe: opening it to write blocks until the test opens it to read. Without one, go on.
    if pipe.exists():
        pipe.write_bytes(b"here")


def _note(stage: str, payloads: list[str], desk: ScriptedDesk) -> None:
    _trace(desk.folder, "batches", f"{stage} {len(payloads)}")


def _checked(text: str, job: CheckJob | CheckNoticeJob | CheckAskedJob) -> Problem | Notice | NotSeen:
    if isinstance(job, CheckAskedJob):
        return NotSeen(
            message_id=job.message_id,
            issuer=job.recipient,
            audience=job.sender,
            issued_at=NOW,
            statement_id=text,
        )
    if isinstance(job, CheckNoticeJob):
        return Notice(
            message_id=job.message_id,
            digest=text,
            handed_over=NOW,
            issuer=job.recipient,
            audience=job.sender,
            issued_at=NOW,
            statement_id="s",
        )
    return Problem(
        envelope_sha256=text,
        code=KeyId("ok"),
        issuer=job.recipient,
        audience=job.sender,
        issued_at=NOW,
        statement_id="s",
    )


def _unpicklable() -> SealResult:
    error = GatewayError("internal")
    error.facts = {"held": lambda: CANARY}
    return error


def _trace(folder: Path, name: str, line: str) -> None:
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)
