"""Running one batch so that nothing a job does harms its neighbours, short of ending the process.

The whole batch goes through its function at once (locality made the floor 1.4 times faster). Only if that raises is
each job run alone, so that the one at fault gets its own verdict and the others their results.
"""

from collections.abc import Sequence
from types import TracebackType

from gateway.errors import GatewayError
from gateway.workers.table import DeskT, Job, JobTable, Result, Stage, verdict


def run_batch(stage: Stage, jobs: Sequence[Job], table: JobTable[DeskT], desk: DeskT) -> list[Result]:
    """Return one result per job, in order. Raises nothing but what ends a process."""
    if len(jobs) > 1:
        try:
            return _results(stage, jobs, table, desk)
        except Exception:  # noqa: BLE001, S110  # the outermost boundary; each job is asked again below
            pass
    return [_alone(stage, job, table, desk) for job in jobs]


def internal(error: BaseException, doing: str) -> GatewayError:
    """Return an unexpected exception as a GatewayError `internal`: its type and place, never its text, which may quote
    the document."""
    return GatewayError("internal", f"Unexpected {type(error).__name__} while {doing} ({_place(error.__traceback__)})")


def _alone(stage: Stage, job: Job, table: JobTable[DeskT], desk: DeskT) -> Result:
    try:
        return _results(stage, [job], table, desk)[0]
    except GatewayError as error:
        return verdict(job, error)
    except Exception as error:  # noqa: BLE001  # the outermost boundary of one job
        return verdict(job, internal(error, f"doing {stage.value}"))


def _results(stage: Stage, jobs: Sequence[Job], table: JobTable[DeskT], desk: DeskT) -> list[Result]:
    results: list[Result] = table.function(stage)(jobs, desk)
    if len(results) != len(jobs):
        raise GatewayError("internal", f"{stage.value} gave {len(results)} results for {len(jobs)} jobs")
    return results


def _place(traceback: TracebackType | None) -> str:
    if traceback is None:
        return "place unknown"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}, {code.co_name}"
