"""A defect of ours while a document is worked on: whoever asked learns nothing of it, the log says where it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.domain.jobs import PrepareJob, PrepareResult, RefusedSubmission
from gateway.errors import AgreementError
from gateway.workers.batch import run_batch
from gateway.workers.table import JobTable, Stage
from tests.store_values import OTHER, PARTNER
from tests.unit.web.listening import BROKEN, SECRET, Node, ScriptedWorkers, open_submission, submit

PLACE = f"Unexpected ZeroDivisionError while doing prepare ({Path(__file__).name}:"


def crash(*_: Any) -> Any:
    raise ZeroDivisionError(SECRET)


@dataclass(slots=True)
class CrashingWorkers:
    """Prepares as real workers do whose work crashes. `others`: what else is wrong with the submission."""

    others: dict[Any, Any]

    async def prepare_all(self, jobs: Sequence[PrepareJob]) -> list[PrepareResult]:
        table: JobTable[None] = JobTable(prepare=crash, seal=crash, admit=crash, check=crash)
        (result,) = run_batch(Stage.PREPARE, jobs, table, None)
        assert isinstance(result, RefusedSubmission)
        if not self.others:
            return [result]
        return [RefusedSubmission(problems={PARTNER: result.problems[None], **self.others})]


async def ask(node: Node, others: dict[Any, Any], to: str) -> tuple[Any, dict[str, Any]]:
    """Return the answer to a submission that crashes, and the line about it."""
    crashing: Any = CrashingWorkers(others)
    async with open_submission(replace(node, workers=crashing).submission()) as url:
        answer = await submit(url, to=to)
    return answer, node.lines.kept[-1]


async def test_the_place_of_a_defect_is_in_the_log_and_not_in_the_answer(node: Node) -> None:
    answer, line = await ask(node, {}, PARTNER)
    assert (answer.status, answer.code) == (500, "internal")
    assert "ZeroDivisionError" not in answer.text
    assert (line["action"], line["code"], line["outcome"]) == ("http.request", "internal", "failure")
    assert line["detail"].startswith(PLACE)
    assert SECRET not in answer.text + str(line)


async def test_a_defect_beside_other_refusals_is_in_the_log_too(node: Node) -> None:
    answer, line = await ask(node, {OTHER: AgreementError("agreement.none", "None")}, f"{PARTNER},{OTHER}")
    assert (answer.status, answer.code) == (422, "request.recipients_refused")
    assert "ZeroDivisionError" not in answer.text
    assert line["code"] == "request.recipients_refused"
    assert line["detail"].startswith(PLACE)


async def test_a_line_names_the_code_that_the_answer_names_and_no_detail_that_is_the_clients(node: Node) -> None:
    assert isinstance(node.workers, ScriptedWorkers)
    async with open_submission(node.submission()) as url:
        answer = await submit(url, BROKEN)
    line = node.lines.kept[-1]
    assert line["code"] == answer.code == "schema.invalid"
    assert "detail" not in line
