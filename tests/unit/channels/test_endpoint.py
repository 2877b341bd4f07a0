"""An endpoint that could leak or be turned against our own network is refused before anything starts."""

import ssl

import pytest

from gateway.channels import Endpoint
from gateway.errors import ConfigurationError

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example",
        "https://gateway.example:8443",
        "https://gateway.example/customs/",
        "https://8.8.8.8",
        "https://[2606:4700::1111]:443",
    ],
)
def test_https_urls_are_taken(url: str) -> None:
    assert not Endpoint(url=url, tls=TLS).plain


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway.example",
        "//gateway.example",
        "ftp://gateway.example",
        "file:///etc/passwd",
        "https://",
        "https://user@gateway.example",
        "https://user:password@gateway.example",
        "https://gateway.example/?a=b",
        "https://gateway.example/#there",
        "https://gateway.example:0",
        "https://gateway.example:99999",
        "https://gateway.example:port",
        "https://gateway.example/a b",
        "https://gateway.example/\r\nHost: other",
        "https://gäteway.example",
        "https://[::1",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(url=url, tls=TLS, allow_loopback=True, allow_private=True)


@pytest.mark.parametrize("url", ["https://10.0.0.1", "https://127.0.0.1:8443", "https://[::1]", "https://169.254.1.1"])
def test_a_numeric_address_outside_the_reach_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(url=url, tls=TLS)


def test_private_and_loopback_addresses_are_taken_where_the_settings_say_so() -> None:
    assert Endpoint(url="https://10.0.0.1", tls=TLS, allow_private=True).reach.private
    assert Endpoint(url="https://127.0.0.1", tls=TLS, allow_loopback=True).reach.loopback
    with pytest.raises(ConfigurationError):
        Endpoint(url="https://169.254.169.254", tls=TLS, allow_private=True, allow_loopback=True)


def test_https_without_a_context_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(url="https://gateway.example")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080/hook", "http://[::1]:80"])
def test_plain_http_needs_loopback_and_the_insecure_setting(url: str) -> None:
    endpoint = Endpoint(url=url, insecure_plain_http=True)
    assert endpoint.plain
    assert not endpoint.reach.public
    assert not endpoint.reach.private
    with pytest.raises(ConfigurationError):
        Endpoint(url=url, allow_loopback=True)


@pytest.mark.parametrize(
    "url", ["http://gateway.example", "http://10.0.0.1", "http://localhost.example", "http://8.8.8.8"]
)
def test_plain_http_to_anywhere_else_is_refused_whatever_the_settings_say(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(url=url, insecure_plain_http=True, allow_private=True, allow_loopback=True)


def test_a_path_is_put_under_the_url() -> None:
    assert (
        Endpoint(url="https://g.example/x/", tls=TLS).address("/exchange/v1/ping")
        == "https://g.example/x/exchange/v1/ping"
    )
    assert Endpoint(url="https://g.example/hook/", tls=TLS).address("") == "https://g.example/hook/"
