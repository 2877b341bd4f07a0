"""Every command explains itself, and the three exit codes mean what they say."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from gateway.cli.root import app
from tests.acceptance.commands import INVALID, VALID, gateway

runner = CliRunner()

COMMANDS = {
    "drain",
    "reload",
    "serve",
    "config agreement",
    "config check",
    "submit",
    "transfer list",
    "transfer show",
    "transfer hold",
    "transfer release",
    "transfer requeue",
    "transfer skip",
    "transfer cancel",
    "inbox list",
    "inbox show",
    "inbox unjudged",
    "inbox release",
    "inbox pull",
    "inbox ack",
    "inbox acknowledge-alarm",
    "inbox ack-all",
    "schema add",
    "schema facts",
    "schema list",
    "schema validate",
    "codelist list",
    "codelist show",
    "rule list",
    "rule show",
    "rule check",
    "policy check",
    "policy coverage",
    "policy schema",
    "policy show",
    "policy simulate",
    "policy test",
    "policy diff",
    "policy explain",
    "policy history",
    "policy restore",
    "policy secret",
    "audit verify",
    "audit export",
    "pki init",
    "pki issue",
    "pki renew",
    "pki revoke",
    "pki crl",
    "pki bundle",
    "token init",
    "token issue",
    "demo",
}


def _tree() -> Iterator[str]:
    yield from (command.name for command in app.registered_commands if command.name)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            yield f"{group.name} {command.name}"


def test_these_are_the_commands() -> None:
    assert set(_tree()) == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_json(command: str) -> None:
    shown = runner.invoke(app, [*command.split(), "--help"], terminal_width=100)
    assert shown.exit_code == 0
    assert "--json" in shown.output
    assert all(len(line) <= 100 for line in shown.output.splitlines())


def test_help_answers_without_loading_the_gateway() -> None:
    import subprocess
    import sys

    probe = (
        "import sys, gateway.cli; "
        "print([name for name in sys.modules if name.partition('.')[0] in {'aiohttp','lxml','cryptography','sqlalchemy'}])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--version",), 0),
        (("schema", "validate", "--set", "dms-declaration", VALID), 0),
        (("schema", "validate", "--set", "dms-declaration", INVALID), 1),
        (("schema", "validate", "--set", "nothing", VALID), 1),
        (("schema", "validate", VALID), 2),
        (("schema", "validate", "--set", "dms-declaration", "no-such-file.xml"), 2),
        (("transfer", "list"), 2),
        (("transfer", "list", "--url", "http://127.0.0.1:1", "--token", "x"), 1),
        (("audit", "verify"), 2),
        (("nonsense",), 2),
    ],
)
def test_exit_codes_tell_done_refused_and_misused(arguments: tuple[object, ...], code: int) -> None:
    ran = gateway(*arguments)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err


def test_a_problem_is_one_json_object_on_stderr() -> None:
    ran = gateway("transfer", "list", "--url", "http://127.0.0.1:1", "--token", "x", "--json")
    assert ran.code == 1
    assert ran.out == ""
    assert ran.problem["code"] == "client.unreachable"


def test_a_token_is_asked_for_and_never_printed() -> None:
    missing = gateway("transfer", "list", "--url", "http://127.0.0.1:1")
    assert missing.code == 2
    assert "GATEWAY_TOKEN" in missing.err
    from_environment = gateway(
        "transfer", "list", env={"GATEWAY_URL": "http://127.0.0.1:1", "GATEWAY_TOKEN": "s3cret-token"}
    )
    assert from_environment.code == 1
    assert "s3cret-token" not in from_environment.err + from_environment.out
    assert "s3cret-token" not in gateway("transfer", "list", "--help", env={"GATEWAY_TOKEN": "s3cret-token"}).out
