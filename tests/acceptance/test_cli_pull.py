"""`gateway inbox pull`, `ack` and `ack-all`: a back end that fetches its messages from the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.commands import SAMPLES, VALID, Ran, gateway
from tests.faults.back_ends import hand_over_by_pull
from tests.world import FR, TwoGateways, two_gateways


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[tuple[TwoGateways, str]]:
    async with two_gateways(tmp_path, start=False) as opened:
        token = hand_over_by_pull(opened.fr.layout)
        await asyncio.gather(*(side.process.start() for side in opened.sides.values()))
        yield opened, token


async def test_messages_are_pulled_and_acknowledged(gateways: tuple[TwoGateways, str], tmp_path: Path) -> None:
    world, token = gateways
    gb, fr = world.gb.layout, world.fr.layout

    def as_submitter(*arguments: object) -> Ran:
        return gateway(*arguments, "--config", gb.config, env={"GATEWAY_TOKEN": gb.submitter_token})

    def as_backend(*arguments: object) -> Ran:
        return gateway("inbox", *arguments, "--config", fr.config, env={"GATEWAY_TOKEN": token})

    def walk() -> None:
        out = tmp_path / "fetched"
        empty = as_backend("pull", "--out", out, "--json")
        assert (empty.code, empty.out) == (0, "")
        assert as_backend("pull", "--out", out).out == "Nothing waits\n"
        assert as_submitter("submit", "--to", FR, "--wait", 30, VALID).code == 0
        nowhere = as_backend("pull", "--out", "/proc/nowhere", "--json")
        assert (nowhere.code, nowhere.problem["code"]) == (1, "system.refused")
        pulled = as_backend("pull", "--out", out, "--limit", 8, "--json")
        assert pulled.code == 0, pulled.err
        (message,) = pulled.json
        assert "document" not in message
        assert Path(message["file"]).read_bytes().startswith(b"<")
        assert Path(message["file"]).parent == out
        refused = as_backend("ack", message["message_id"], "--lease", "wrong", "--json")
        assert (refused.code, refused.problem["code"]) == (1, "request.malformed")
        for _ in range(2):
            told = as_backend("ack", message["message_id"], "--lease", message["lease"], "--json")
            assert (told.code, told.json[0]["hand_over"]) == (0, "HANDED_OVER")
        shown = as_backend("ack", message["message_id"], "--lease", message["lease"])
        assert "HANDED_OVER" in shown.out

    def walk_by_hand() -> None:
        """What a person copies from one command into the next stands in one piece."""
        assert as_submitter("submit", "--to", FR, "--wait", 30, SAMPLES / "valid" / "arrival.xml").code == 0
        pulled = as_backend("pull", "--out", tmp_path / "fetched")
        told = dict(line.split(maxsplit=1) for line in pulled.out.splitlines() if line)
        assert Path(told["File"]).is_file()
        assert "HANDED_OVER" in as_backend("ack", told["Message"], "--lease", told["Lease"]).out

    def walk_together(out: Path) -> None:
        """What `pull --json` printed is what `ack-all` takes."""
        assert as_submitter("submit", "--to", FR, "--wait", 30, SAMPLES / "valid" / "export-one-item.xml").code == 0
        (message,) = as_backend("pull", "--out", out, "--limit", 8, "--json").json
        again = {**message, "message_id": "0195c7a0-0000-7000-8000-00000000ffff"}
        leased = tmp_path / "leased.jsonl"
        leased.write_text(f"{json.dumps(message)}\n\n{json.dumps(again)}\n", encoding="utf-8")
        told = as_backend("ack-all", leased, "--json")
        assert told.code == 1
        assert [one.get("hand_over") or one["code"] for one in told.json] == ["HANDED_OVER", "request.not_found"]
        leased.write_text(json.dumps(message), encoding="utf-8")
        shown = as_backend("ack-all", leased)
        assert (shown.code, shown.out.split()[-2:]) == (0, [message["message_id"], "HANDED_OVER"])
        leased.write_text('{"message_id": 1}', encoding="utf-8")
        assert as_backend("ack-all", leased).code == 2
        assert as_backend("ack-all", tmp_path / "none.jsonl").code == 2

    await asyncio.to_thread(walk)
    await asyncio.to_thread(walk_by_hand)
    await asyncio.to_thread(walk_together, tmp_path / "fetched")
