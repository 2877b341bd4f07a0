"""The channel to a partner over TLS, on both event loops: who is refused, who gets no byte, and what is said of it."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from gateway.domain.outcome import ReceiptReturned, SendOutcome
from gateway.errors import ChannelError
from tests.contract.test_partner_channel import JWE, MESSAGE, NL, channel_to, failed
from tests.unit.channels import scripted
from tests.unit.channels.scripted import Authority, Script, answering, serving


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., list[SendOutcome]]:
    """Run sends against a TLS server on one kind of event loop; return what came of each."""

    def on_loop(
        server: ssl.SSLContext | None, client: ssl.SSLContext, script: Script | None = None, sends: int = 1
    ) -> list[SendOutcome]:
        async def main() -> list[SendOutcome]:
            told = script or answering(200, b"h.p.s", Content_Type="application/jose")
            async with serving(told, server) as partner, channel_to(partner.url("https"), tls=client) as channel:
                return [await channel.send(NL, MESSAGE, JWE) for _ in range(sends)]

        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(main())

    return on_loop


Run = Callable[..., list[SendOutcome]]


def test_mutual_tls_with_good_certificates_goes_through(run: Run, tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    server = scripted.server_context(ca.issue("server"), ca.file)
    client = scripted.client_context(ca.file, ca.issue("client"))
    assert run(server, client, sends=2) == [ReceiptReturned(token="h.p.s")] * 2


@pytest.mark.parametrize("problem", ["none", "wrong authority", "expired"])
def test_a_refused_client_certificate_is_explained(run: Run, tmp_path: Path, problem: str) -> None:
    ca, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    identity = {
        "none": None,
        "wrong authority": other.issue("client"),
        "expired": ca.issue("old client", expired=True),
    }[problem]
    server = scripted.server_context(ca.issue("server"), ca.file)
    for outcome in map(failed, run(server, scripted.client_context(ca.file, identity), sends=2)):
        assert (outcome.code, outcome.connected) == ("channel.tls_refused", False)
        assert "certificate" in outcome.detail


@pytest.mark.parametrize(
    ("problem", "words"), [("wrong authority", "self-signed certificate"), ("expired", "has expired")]
)
def test_a_server_we_do_not_accept_gets_no_byte(run: Run, tmp_path: Path, problem: str, words: str) -> None:
    ca, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    identity = ca.issue("server", expired=problem == "expired")
    client = scripted.client_context(other.file if problem == "wrong authority" else ca.file, ca.issue("client"))
    outcome = failed(run(scripted.server_context(identity, ca.file), client)[0])
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.tls_refused", False, False)
    assert words in outcome.detail


def test_an_old_tls_version_is_refused(run: Run, tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.load_cert_chain(ca.issue("server"))
    outcome = failed(run(server, scripted.client_context(ca.file))[0])
    assert (outcome.code, outcome.sent) == ("channel.tls_refused", False)


class PickyObject(ssl.SSLObject):
    """Refuses every server once its certificate is verified, as a check of the agreed names within the handshake."""

    def do_handshake(self) -> None:
        super().do_handshake()
        refusal = ChannelError("channel.tls_refused", "the server is the gateway of another party")
        raise ssl.SSLCertVerificationError(1, "no") from refusal


def test_a_server_refused_by_the_check_within_the_handshake_gets_no_byte(run: Run, tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    client = scripted.client_context(ca.file, ca.issue("client"))
    client.sslobject_class = PickyObject
    outcome = failed(run(scripted.server_context(ca.issue("server"), ca.file), client)[0])
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.tls_refused", False, False)
    assert outcome.detail == "the server is the gateway of another party"


def test_an_alert_of_the_server_is_put_into_words(tmp_path: Path) -> None:
    """A server that says why (as OpenSSL's own does), before the request could fill its buffers."""
    ca = Authority(tmp_path, "ca")
    context = scripted.server_context(ca.issue("server"), ca.file)
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse_one() -> None:
        plain, _ = listener.accept()
        with plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_side=True)

    async def main() -> SendOutcome:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with channel_to(url, tls=scripted.client_context(ca.file)) as channel:
            refusing = asyncio.to_thread(refuse_one)
            outcome, _ = await asyncio.gather(channel.send(NL, MESSAGE, JWE), refusing)
            return outcome

    with listener:
        outcome = failed(asyncio.run(main()))
    assert outcome.code == "channel.tls_refused"
    assert "certificate" in outcome.detail
