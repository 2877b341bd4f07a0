"""Settings become values, or every problem at once with file, line, key and mend."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.access import Role
from gateway.domain.ids import ClientId, PartyId
from gateway.errors import ConfigurationError, Finding
from gateway.settings import DropFolder, PullInbox, Webhook, load_node

Write = Callable[..., Path]


def findings_of(path: Path) -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_node(path)
    assert caught.value.findings
    assert all(one.file == str(path) and one.problem and one.fix for one in caught.value.findings)
    return caught.value.findings


def test_right_settings_become_values_with_absolute_paths(write_node: Write, folder: Path) -> None:
    node = load_node(write_node())
    assert node.parties[0].id == PartyId("GB-HMRC")
    assert node.parties[0].signing[0].key == folder / "keys/sign.pem"
    assert node.data_dir == folder / "data"
    assert node.trust.crl_max_age == timedelta(hours=24)
    assert isinstance(node.parties[0].backend, Webhook)
    assert node.parties[0].backend.timeout == timedelta(seconds=10)
    client = node.client(ClientId("cds"))
    assert client is not None
    assert client.roles == {Role.SUBMITTER}
    assert node.client(ClientId("nobody")) is None
    assert node.insecure == ()


def test_switches_that_weaken_a_promise_are_listed_by_name(write_node: Write) -> None:
    node = load_node(write_node(("workers = 0", "workers = 0\ninsecure_log_documents = true")))
    assert node.insecure == ("insecure_log_documents",)


def test_a_missing_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_node(tmp_path / "absent.toml")
    assert caught.value.code == "config.not_found"


# One change of a right file → the line, the key and words of the problem that must be said.
WRONG = [
    ("unknown key", ("workers = 0", "wrokers = 0"), "wrokers", "Did you mean `workers`?"),
    ("unknown nested key", ("crl_max_age", "crl_maxage"), "trust.crl_maxage", "Did you mean `crl_max_age`?"),
    ("missing table", ("[tokens]", "[tokens2]"), "tokens", "is missing"),
    ("bad duration", ('"24h"', '"24 hours"'), "trust.crl_max_age", "is not a length of time"),
    ("zero duration", ('"24h"', '"0s"'), "trust.crl_max_age", "is not a length of time"),
    ("huge duration", ('"24h"', '"999999999d"'), "trust.crl_max_age", "longer than ten years"),
    ("bad party", ('id = "GB-HMRC"', 'id = "hmrc"'), "parties[1].id", "is not a party id"),
    ("bad port", ("8441", "70000"), "listeners.submission.port", "is too large"),
    ("port as text", ("8441", '"x"'), "listeners.submission.port", "is not a whole number"),
    ("bad role", ('["submitter"]', '["boss"]'), "clients[1].roles[1]", "is not one of the words"),
    ("missing key file", ("keys/sign.pem", "keys/none.pem"), "parties[1].signing[1].key", "does not exist"),
    ("missing folder", ("partners/FR", "partners/XX"), "partners[1].folder", "does not exist"),
    ("open submission without TLS", ("127.0.0.1", "0.0.0.0"), "listeners.submission", "without TLS"),
    (
        "partner listener without TLS",
        (', tls = { key = "keys/tls.pem", certificate = "keys/tls-chain.pem" } }', " }"),
        "listeners.partner",
        "has no TLS",
    ),
    (
        "receipts some day",
        ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\nreceipts = "soon"'),
        "partners[1].receipts",
        "possible here",
    ),
    ("no job at a time", ("[at_rest]", "[batches]\njobs = 0\n[at_rest]"), "batches.jobs", "too small"),
    ("a batch over the wire's", ("[at_rest]", "[batches]\nmessages = 65\n[at_rest]"), "batches.messages", "too large"),
    ("no request", ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\nrequests = 0'), "partners[1].requests", "too small"),
    ("a batch too large", ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\nbatch = 65'), "partners[1].batch", "too large"),
    ("catching up never", ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\ncatch_up = 0'), "partners[1].catch_up", "too small"),
    ("one connection", ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\nconnections = 1'), "partners[1].connections", "too small"),
    (
        "many connections",
        ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\nconnections = 9'),
        "partners[1].connections",
        "too large",
    ),
    (
        "partner slower than a lease",
        ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\ntimeout = "60s"'),
        "partners[1].timeout",
        "is not shorter than timing.lease",
    ),
    ("a lease that is over at once", ("[at_rest]", '[timing]\nlease = "1ms"\n[at_rest]'), "timing.lease", "too short"),
    ("a lease of a week", ("[at_rest]", '[timing]\nlease = "7d"\n[at_rest]'), "timing.lease", "too long"),
    ("a look every quarter", ("[at_rest]", '[timing]\npoll = "90d"\n[at_rest]'), "timing.poll", '"5m"'),
    ("a look without rest", ("[at_rest]", '[timing]\nsweep = "1ms"\n[at_rest]'), "timing.sweep", '"10ms"'),
    ("no time to stop", ("[at_rest]", '[timing]\nstop = "1ms"\n[at_rest]'), "timing.stop", "too short"),
    ("a purge a year", ("[at_rest]", '[timing]\npurge = "365d"\n[at_rest]'), "timing.purge", "too long"),
    ("no time to answer", ('id = "FR-DGDDI"', 'id = "FR-DGDDI"\ntimeout = "1ms"'), "partners[1].timeout", "too short"),
    ("one port twice", ("8443", "8441"), "listeners.operations.port", "is also the port"),
    ("plain partner", ("https://gateway", "http://gateway"), "partners[1].url", "plain HTTP"),
    ("plain back end", ("https://backend", "http://backend"), "parties[1].backend.url", "plain HTTP"),
    ("password in URL", ("https://backend", "https://u:p@backend"), "parties[1].backend.url", "more than host"),
    ("no URL at all", ("https://gateway.example:8442", "gateway"), "partners[1].url", "is not a web address"),
    ("port that is none", ("gateway.example:8442", "gateway.example:x"), "partners[1].url", "is not a web address"),
    ("own party as partner", ('id = "FR-DGDDI"', 'id = "GB-HMRC"'), "partners[1].id", "is a party of this node"),
    ("client of a stranger", ('["GB-HMRC"]', '["NL-DOUANE"]'), "clients[1].parties", "no party of this node"),
    ("client without party", ('["GB-HMRC"]', "[]"), "clients[1].parties", "is empty"),
    ("client without role", ('["submitter"]', "[]"), "clients[1].roles", "is empty"),
    ("client id", ('id = "cds"', 'id = "a b"'), "clients[1].id", "is not a client id"),
    ("no at-rest key", ('[at_rest]\nkey = "keys/at-rest.key"', ""), "at_rest", "is missing"),
    ("node name", ('"gb-node"', '"GB node"'), "name", "is not a name"),
    ("bad pin", ('folder = "p', 'pins = ["AB"]\nfolder = "p'), "partners[1].pins[1]", "is not a pin"),
    ("list expected", ('["agreements"]', '"agreements"'), "agreements", "is not a list"),
    ("table expected", ("[at_rest]\nkey =", "at_rest ="), "trust.at_rest", "is not a key"),
    ("too many workers", ("workers = 0", "workers = 9000"), "workers", "is too large"),
    (
        "limit above ceiling",
        ("[at_rest]", "[documents]\nmax_bytes = 99999999\n[at_rest]"),
        "documents.max_bytes",
        "too large",
    ),
]


@pytest.mark.parametrize(("change", "key", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_each_wrong_value_is_reported_with_key_line_and_mend(
    write_node: Write, change: tuple[str, str], key: str, words: str
) -> None:
    path = write_node(change)
    findings = findings_of(path)
    (finding,) = [one for one in findings if one.key == key]
    assert words in f"{finding.problem}. {finding.fix}"
    assert finding.line is not None or "is missing" in finding.problem


WEBHOOK = """\
url = "https://backend.example/inbox"
secret_file = "keys/webhook.secret"
timeout = "10s"
"""
FOLDER = """\
kind = "folder"
path = "drop"
"""


def test_a_back_end_may_be_a_folder(write_node: Write, folder: Path) -> None:
    (folder / "drop").mkdir()
    backend = load_node(write_node((WEBHOOK, FOLDER + 'file_mode = "0660"\nattempts = 3\n'))).parties[0].backend
    assert isinstance(backend, DropFolder)
    assert (backend.path, backend.file_mode, backend.attempts) == (folder / "drop", "0660", 3)


def test_a_command_that_only_asks_a_node_needs_none_of_its_folders(write_node: Write, folder: Path) -> None:
    path = write_node((WEBHOOK, FOLDER.replace("drop", "away")))
    with pytest.raises(ConfigurationError):
        load_node(path)
    backend = load_node(path, look=False).parties[0].backend
    assert isinstance(backend, DropFolder)
    assert backend.path == folder / "away"


BACKENDS = [
    (
        "a kind that is none",
        'kind = "ftp"',
        "kind",
        "is not one of the words possible here. Write 'webhook', 'folder', 'pull'",
    ),
    ("a key of another kind", FOLDER + WEBHOOK, "url", "is not a key. Use one of attempts, cap"),
    ("a folder that is nowhere", FOLDER.replace("drop", "nowhere"), "path", "names a folder that does not exist"),
    ("a folder without a path", 'kind = "folder"', "path", "is missing"),
    ("a webhook without a secret", 'url = "https://a.example"', "secret_file", "is missing"),
    ("files that all may read", FOLDER + 'file_mode = "0644"', "file_mode", "Write '0600', '0640' or '0660'"),
    ("a near miss", FOLDER + 'file_mod = "0640"', "file_mod", "Did you mean `file_mode`?"),
    ("a wait above its cap", FOLDER + 'first_wait = "9s"\ncap = "8s"', "first_wait", "is longer than `cap`"),
    ("a webhook slower than a lease", WEBHOOK.replace("10s", "60s"), "timeout", "is not shorter than timing.lease"),
    (
        "a folder slower than a lease",
        FOLDER + 'timeout = "2m"',
        "timeout",
        "Write less than 60s, or raise timing.lease",
    ),
    ("a pull that is over at once", 'kind = "pull"\nlease = "1ms"', "lease", "is too short"),
    ("the folder of the database", FOLDER.replace("drop", "data/drop"), "path", "lies beside it in data_dir"),
]


@pytest.mark.parametrize(("lines", "key", "words"), [row[1:] for row in BACKENDS], ids=[row[0] for row in BACKENDS])
def test_each_wrong_value_of_a_back_end_is_reported_with_key_line_and_mend(
    write_node: Write, folder: Path, lines: str, key: str, words: str
) -> None:
    (folder / "data/drop").mkdir(parents=True)
    (folder / "drop").mkdir()
    found = findings_of(write_node((WEBHOOK, lines + "\n")))
    (finding,) = [one for one in found if one.key == f"parties[1].backend.{key}"]
    assert words in f"{finding.problem}. {finding.fix}"
    assert finding.line is not None


FETCHER = '[[clients]]\nid = "work"\nroles = ["backend"]\nparties = ["GB-HMRC"]\n'


def test_a_back_end_may_pull_and_then_a_client_must_be_able_to(write_node: Write) -> None:
    pull = 'kind = "pull"\nlease = "2m"\n'
    path = write_node((WEBHOOK, pull))
    (finding,) = findings_of(path)
    assert (finding.key, finding.problem) == (
        "parties[1].backend.kind",
        "is pull, and no client may fetch for this party",
    )
    path.write_text(path.read_text() + FETCHER)
    backend = load_node(path).parties[0].backend
    assert isinstance(backend, PullInbox)
    assert backend.lease == timedelta(minutes=2)


def test_two_parties_do_not_share_a_folder(write_node: Write, folder: Path) -> None:
    (folder / "drop").mkdir()
    path = write_node((WEBHOOK, FOLDER))
    text = path.read_text()
    party = text[text.index("[[parties]]") : text.index("[[partners]]")]
    path.write_text(text.replace("[[partners]]", party.replace("GB-HMRC", "GB-NICTA") + "[[partners]]", 1))
    (finding,) = findings_of(path)
    assert (finding.key, finding.problem) == ("parties[2].backend.path", "is the folder of another party too")


def test_a_back_end_that_is_no_table_is_reported(write_node: Write) -> None:
    path = write_node((f"[parties.backend]\n{WEBHOOK}", 'backend = "folder"\n'))
    assert [(one.key, one.problem) for one in findings_of(path)] == [("parties[1].backend", "is not a table")]


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(write_node: Write) -> None:
    path = write_node(('"gb-node"', '"GB"'), ('"24h"', '"x"'), ('["submitter"]', '["boss"]'), ("8441", "70000"))
    findings = findings_of(path)
    assert [one.key for one in findings] == [
        "name",
        "listeners.submission.port",
        "trust.crl_max_age",
        "clients[1].roles[1]",
    ]
    text = path.read_text().splitlines()
    assert [one.line for one in findings] == [
        1,
        next(number for number, line in enumerate(text, 1) if line.startswith("submission")),
        next(number for number, line in enumerate(text, 1) if line.startswith("crl_max_age")),
        next(number for number, line in enumerate(text, 1) if line.startswith("roles")),
    ]


def test_the_same_id_or_certificate_name_twice_is_refused(write_node: Write, folder: Path) -> None:
    (folder / "partners/NL-DOUANE").mkdir()
    second = '[[partners]]\nid = "NL-DOUANE"\nurl = "https://nl.example"\nfolder = "partners/NL-DOUANE"\n'
    twice = '[[clients]]\nid = "cds"\nroles = ["auditor"]\n\n[[clients]]'
    uri = 'san_uri = "urn:customs:one"\n'
    path = write_node(('folder = "partners', f'{uri}folder = "partners'), ("[[clients]]", f"{second}{uri}\n{twice}"))
    assert {one.key for one in findings_of(path)} == {"partners[1].san_uri", "partners[2].san_uri", "clients[2].id"}


def test_one_pin_names_one_partner(write_node: Write, folder: Path) -> None:
    pin = f'pins = ["{"a" * 64}"]\n'
    second = f'[[partners]]\nid = "NL-DOUANE"\nurl = "https://nl.example"\nfolder = "partners/FR-DGDDI"\n{pin}'
    path = write_node(('folder = "partners', f'{pin}folder = "partners'), ("[[clients]]", f"{second}\n[[clients]]"))
    assert {one.key for one in findings_of(path)} == {"partners[1].pins", "partners[2].pins"}


def test_what_is_not_toml_is_reported_with_its_line(write_node: Write) -> None:
    (finding,) = findings_of(write_node(("workers = 0", "workers = = 0")))
    assert finding.line == 4
    assert "is not TOML" in finding.problem


def test_what_is_not_utf8_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(b"name = '\xff'")
    (finding,) = findings_of(path)
    assert "UTF-8" in finding.problem


def test_a_plain_store_needs_no_key_but_says_so(write_node: Write) -> None:
    node = load_node(
        write_node(('[at_rest]\nkey = "keys/at-rest.key"', ""), ("workers = 0", "insecure_plain_at_rest = true"))
    )
    assert node.at_rest is None
    assert node.insecure == ("insecure_plain_at_rest",)


def test_loopback_back_ends_may_be_plain(write_node: Write) -> None:
    node = load_node(write_node(("https://backend.example/inbox", "http://127.0.0.1:9000/inbox")))
    assert isinstance(node.parties[0].backend, Webhook)
    assert node.parties[0].backend.url == "http://127.0.0.1:9000/inbox"
