"""Commands that talk to running gateways: submit, watch, steer, take the evidence along."""

import asyncio
import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.layout import copy_agreement
from tests.acceptance.commands import INVALID, SAMPLES, VALID, Ran, gateway
from tests.world import FR, GB, TwoGateways, two_gateways

NOBODY = "01950000-0000-7000-8000-00000000ffff"


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoGateways]:
    """Two gateways whose back ends live in a loop of their own, so that tests can be plain functions."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opened = two_gateways(tmp_path_factory.mktemp("gateways"))
    try:
        yield asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def as_submitter(gateways: TwoGateways, *arguments: object) -> Ran:
    node = gateways.gb.layout
    return gateway(*arguments, "--config", node.config, env={"GATEWAY_TOKEN": node.submitter_token})


def as_operator(gateways: TwoGateways, *arguments: object, at: str = GB) -> Ran:
    node = gateways.gb.layout if at == GB else gateways.fr.layout
    return gateway(*arguments, env={"GATEWAY_TOKEN": node.operator_token, "GATEWAY_URL": node.operations_url})


@pytest.fixture(scope="module")
def delivered(gateways: TwoGateways) -> dict[str, str]:
    """One transfer that arrived, as `submit --wait` told of it."""
    ran = as_submitter(gateways, "submit", "--to", FR, "--wait", 30, "--json", VALID)
    assert ran.code == 0, ran.err
    (told,) = ran.json
    assert (told["file"], told["accepted"], told["status"]) == (str(VALID), True, "delivered")
    (transfer,) = told["transfers"]
    assert transfer["kept"] > transfer["withheld"] > 0
    return dict(transfer)


def test_the_settings_of_a_running_node_hold(gateways: TwoGateways) -> None:
    ran = gateway("config", "check", "--config", gateways.gb.layout.config, "--json")
    assert ran.code == 0, ran.err
    assert ran.json[0]["parties"] == [GB]
    assert ran.json[0]["findings"] == []


def test_the_printed_text_of_an_agreement_has_the_hash_that_messages_carry(
    gateways: TwoGateways, delivered: dict[str, str]
) -> None:
    config = gateways.gb.layout.config
    (shown,) = as_operator(gateways, "transfer", "show", delivered["id"], "--json").json
    text = gateway("config", "agreement", "gb-fr", "--config", config)
    assert hashlib.sha256(text.out.encode()).hexdigest() == shown["agreement"]["sha256"]
    (told,) = gateway("config", "agreement", "gb-fr", "--config", config, "--json").json
    assert (told["sha256"], told["content"]) == (shown["agreement"]["sha256"], json.loads(text.out))
    assert gateway("config", "agreement", "gb-nl", "--config", config).code == 2


def test_a_demo_moves_into_no_folder_that_is_lived_in(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ran = gateway("demo", "--dir", tmp_path)
    assert ran.code == 2
    assert "exists already" in ran.err
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_several_files_are_several_submissions_and_one_refusal_is_exit_code_1(gateways: TwoGateways) -> None:
    files = [SAMPLES / "valid" / "arrival.xml", INVALID]
    ran = as_submitter(gateways, "submit", "--to", FR, "--json", *files)
    assert ran.code == 1
    good, bad = ran.json
    assert good["accepted"]
    assert (bad["accepted"], bad["problem"]["code"]) == (False, "schema.invalid")
    assert bad["problem"]["violations"]
    shown = as_submitter(gateways, "submit", "--to", FR, INVALID)
    assert shown.code == 1
    assert "line " in shown.out


def test_the_same_key_is_the_same_submission(gateways: TwoGateways) -> None:
    first = as_submitter(gateways, "submit", "--to", FR, "--key", "again", "--json", VALID)
    second = as_submitter(gateways, "submit", "--to", FR, "--key", "again", "--json", VALID)
    assert second.json[0]["id"] == first.json[0]["id"]
    assert (first.json[0]["replayed"], second.json[0]["replayed"]) == (False, True)
    assert as_submitter(gateways, "submit", "--to", FR, "--key", "again", VALID, INVALID).code == 2


def test_a_refusal_names_each_recipient(gateways: TwoGateways) -> None:
    ran = as_submitter(gateways, "submit", "--to", f"{FR},NO-TOLL", "--json", VALID)
    assert ran.code == 1
    problem = ran.json[0]["problem"]
    assert problem["code"] == "request.recipients_refused"
    assert [one["recipient"] for one in problem["recipients"]] == ["NO-TOLL"]


def test_a_submitter_is_no_operator(gateways: TwoGateways) -> None:
    ran = as_submitter(gateways, "transfer", "list", "--json")
    assert (ran.code, ran.problem["code"]) == (1, "access.forbidden")


def test_a_transfer_is_listed_and_shown(gateways: TwoGateways, delivered: dict[str, str]) -> None:
    listed = as_operator(gateways, "transfer", "list", "--state", "DELIVERED", "--json")
    assert delivered["id"] in [one["id"] for one in listed.json]
    (told,) = as_operator(gateways, "transfer", "show", delivered["id"], "--json").json
    assert (told["state"], told["receipt"]["verdict"]) == ("DELIVERED", "accepted")
    assert "transfer.delivered" in [one["event"] for one in told["timeline"]]
    shown = as_operator(gateways, "transfer", "show", delivered["id"])
    assert "DELIVERED" in shown.out
    assert "transfer.delivered" in shown.out
    table = as_operator(gateways, "transfer", "list")
    assert all(len(line) <= 100 for line in table.out.splitlines())


def test_an_act_that_does_not_fit_is_refused(gateways: TwoGateways, delivered: dict[str, str]) -> None:
    requeue = as_operator(gateways, "transfer", "requeue", delivered["id"], "--reason", "try", "--json")
    assert (requeue.code, requeue.problem["code"]) == (1, "transfer.illegal_transition")
    cancel = as_operator(gateways, "transfer", "cancel", delivered["id"], "--reason", "try", "--json")
    assert (cancel.code, cancel.problem["code"]) == (1, "transfer.illegal_transition")
    skip = as_operator(gateways, "transfer", "skip", delivered["id"], "--reason", "try", "--json")
    assert (skip.code, skip.problem["code"]) == (1, "transfer.illegal_transition")
    query = as_operator(gateways, "transfer", "requeue", "--code", "channel.timeout", "--reason", "try", "--json")
    assert query.json == [{"requeued": 0, "transfers": [], "refused": [], "next": None}]
    assert as_operator(gateways, "transfer", "requeue", "--reason", "try").code == 2
    missing = as_operator(gateways, "transfer", "cancel", NOBODY, "--reason", "try", "--json")
    assert (missing.code, missing.problem["code"]) == (1, "transfer.not_found")
    assert as_operator(gateways, "transfer", "cancel", NOBODY).code == 2


def test_the_message_stands_in_the_partners_inbox(gateways: TwoGateways, delivered: dict[str, str]) -> None:
    listed = as_operator(gateways, "inbox", "list", "--json", at=FR)
    assert delivered["message_id"] in [one["message_id"] for one in listed.json]
    (told,) = as_operator(gateways, "inbox", "show", delivered["message_id"], "--json", at=FR).json
    assert (told["sender"], told["recipient"]) == (GB, FR)
    assert told["terms"]["purpose"]
    assert as_operator(gateways, "inbox", "show", delivered["message_id"], at=FR).code == 0
    release = as_operator(gateways, "inbox", "release", delivered["message_id"], "--reason", "try", "--json", at=FR)
    assert (release.code, release.problem["code"]) == (1, "transfer.illegal_transition")


def test_an_answer_and_the_hand_over_show_on_both_sides(gateways: TwoGateways, delivered: dict[str, str]) -> None:
    ours = gateways.fr.layout
    answered = gateway(
        *("submit", "--to", GB, "--in-reply-to", delivered["message_id"], "--wait", 30, "--json"),
        *(SAMPLES / "valid" / "response-accepted.xml", "--config", ours.config),
        env={"GATEWAY_TOKEN": ours.submitter_token},
    )
    assert answered.code == 0, answered.err
    (given,) = answered.json[0]["transfers"]

    def told() -> dict[str, Any]:
        (found,) = as_operator(gateways, "transfer", "show", delivered["id"], "--json").json
        return dict(found)

    found = told()
    for _ in range(60):
        if found["handed_over"] and [one["hand_over"] for one in found["answers"]] == ["HANDED_OVER"]:
            break
        found = told()
    assert [one["message_id"] for one in found["answers"]] == [given["message_id"]]
    assert found["notice"]["partner"] == FR
    assert "transfer.handed_over" in [one["event"] for one in found["timeline"]]
    shown = as_operator(gateways, "transfer", "show", delivered["id"])
    assert given["message_id"] in shown.out
    assert "Handed over" in shown.out
    (theirs,) = as_operator(gateways, "inbox", "show", delivered["message_id"], "--json", at=FR).json
    assert ([one["id"] for one in theirs["answers"]], theirs["notice"]["state"]) == ([given["id"]], "GIVEN")
    shown = as_operator(gateways, "inbox", "show", delivered["message_id"], at=FR)
    assert given["id"] in shown.out
    assert "GIVEN" in shown.out
    (answer,) = as_operator(gateways, "inbox", "show", given["message_id"], "--json").json
    assert answer["in_reply_to"] == delivered["message_id"]
    nothing = as_submitter(gateways, "submit", "--to", FR, "--in-reply-to", NOBODY, "--json", VALID)
    assert (nothing.code, nothing.json[0]["problem"]["recipients"][0]["code"]) == (1, "message.answers_unknown")


def test_the_evidence_verifies_and_leaves_as_a_file(
    gateways: TwoGateways, delivered: dict[str, str], tmp_path: Path
) -> None:
    del delivered  # a transfer must have left its evidence
    config = gateways.gb.layout.config
    verified = gateway("audit", "verify", "--config", config, "--json")
    assert (verified.code, verified.json[0]["intact"]) == (0, True)
    out = tmp_path / "audit.jsonl"
    exported = as_operator(gateways, "audit", "export", "--out", out, "--json")
    assert exported.code == 0, exported.err
    assert exported.json[0]["records"] >= verified.json[0]["records"]
    assert gateway("audit", "verify", "--export", out).code == 0
    copied = tmp_path / "copied.jsonl"
    database = gateways.gb.layout.data / "gateway.db"
    assert gateway("audit", "export", "--database", database, "--out", copied).code == 0
    assert copied.read_bytes().startswith(out.read_bytes().splitlines()[0])
    assert as_operator(gateways, "audit", "export", "--out", out).code == 2


def test_an_admin_reloads_the_rules_of_a_running_gateway(gateways: TwoGateways) -> None:
    node = gateways.fr.layout
    environment = {"GATEWAY_TOKEN": node.admin_token, "GATEWAY_URL": node.operations_url}
    ran = gateway("reload", "--reason", "Nothing changed, to try it", "--json", env=environment)
    assert ran.code == 0, ran.err
    assert (ran.json[0]["changed"], ran.json[0]["generation"]) == (False, 1)
    assert "gb-fr version 1" in ran.json[0]["agreements"]
    refused = as_operator(gateways, "reload", "--reason", "Not mine to do", "--json", at=FR)
    assert (refused.code, refused.problem["code"]) == (1, "access.forbidden")


def test_rules_that_can_not_be_taken_are_told_line_by_line(gateways: TwoGateways) -> None:
    node = gateways.fr.layout
    text = node.config.read_text(encoding="utf-8")
    try:
        node.config.write_text(text.replace('sweep = "1s"', 'sweep = "soon"'), encoding="utf-8")
        environment = {"GATEWAY_TOKEN": node.admin_token, "GATEWAY_URL": node.operations_url}
        ran = gateway("reload", "--reason", "A slip of the pen", env=environment)
    finally:
        node.config.write_text(text, encoding="utf-8")
    assert ran.code == 1
    assert "config.reload_refused" in ran.err
    assert "timing.sweep" in ran.err


def test_a_hang_up_reloads_too_and_says_so_in_the_log(gateways: TwoGateways) -> None:
    process = gateways.fr.process
    assert process.pid is not None
    os.kill(process.pid, signal.SIGHUP)
    deadline = time.monotonic() + 30
    while '"event.action":"node.reload"' not in process.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_start_logs_what_the_check_of_the_policies_warns_of(gateways: TwoGateways, tmp_path: Path) -> None:
    agreements = copy_agreement("gb-fr", tmp_path / "config")
    policy = tmp_path / "config" / "policies" / "customs-cooperation.yaml"
    warned = "  - drop: //Consignee/Name\n    when: {kind: response}\n"
    policy.write_text(policy.read_text(encoding="utf-8").replace("rules:\n", f"rules:\n{warned}"), encoding="utf-8")
    node = gateways.gb.layout
    config = node.config.with_name("warned.toml")
    text = re.sub("(?m)^agreements = .*$", f'agreements = ["{agreements}"]', node.config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    ran = gateway("serve", "--config", config)  # ends at the database, which another process has
    config.unlink()
    lines = [json.loads(line) for line in ran.out.splitlines()]
    warnings = [one["labels.warning"] for one in lines if one["event.action"] == "policy.check"]
    assert any(f"{policy}:" in one and "never holds: messages under dms-declaration" in one for one in warnings)


def test_a_second_process_can_not_take_the_same_database(gateways: TwoGateways) -> None:
    ran = gateway("serve", "--config", gateways.gb.layout.config, "--json")
    assert ran.code == 1
    assert ran.problem["code"] == "storage.locked"


def test_a_text_that_is_in_force_is_listed_and_written_into_a_file_again(gateways: TwoGateways, tmp_path: Path) -> None:
    listed = as_operator(gateways, "policy", "history", "--json")
    assert listed.code == 0, listed.err
    policy = next(one for one in listed.json if one["kind"] == "policy" and one["id"] == "customs-cooperation")
    assert policy["text_sha256"][:12] in as_operator(gateways, "policy", "history").out
    file = tmp_path / "restored.yaml"
    restored = as_operator(gateways, "policy", "restore", policy["text_sha256"][:12], "--file", file)
    assert restored.code == 0, restored.err
    assert "gateway reload" in restored.out
    checked = gateway("policy", "check", file, "--json")
    assert (checked.code, checked.json[0]["sha256"]) == (0, policy["sha256"])
    again = as_operator(gateways, "policy", "restore", policy["text_sha256"], "--file", file, "--json")
    assert (again.code, again.problem["code"]) == (1, "system.refused")
    unknown = as_operator(gateways, "policy", "restore", "0" * 64, "--file", tmp_path / "none.yaml", "--json")
    assert (unknown.code, unknown.problem["code"]) == (1, "request.not_found")
