"""Addresses are judged by where they lead, however they are written."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.addresses import AddressRefusedError, Area, GuardedResolver, Reach, area_of


@pytest.mark.parametrize(
    ("address", "area"),
    [
        ("8.8.8.8", Area.PUBLIC),
        ("2606:4700::1111", Area.PUBLIC),
        ("10.1.2.3", Area.PRIVATE),
        ("172.16.0.1", Area.PRIVATE),
        ("192.168.255.255", Area.PRIVATE),
        ("100.64.0.1", Area.PRIVATE),
        ("fd00::1", Area.PRIVATE),
        ("127.0.0.1", Area.LOOPBACK),
        ("127.255.0.9", Area.LOOPBACK),
        ("::1", Area.LOOPBACK),
        ("169.254.169.254", Area.NEVER),
        ("fe80::1%eth0", Area.NEVER),
        ("224.0.0.1", Area.NEVER),
        ("ff02::1", Area.NEVER),
        ("0.0.0.0", Area.NEVER),
        ("::", Area.NEVER),
        ("255.255.255.255", Area.NEVER),
        ("240.0.0.1", Area.NEVER),
        ("192.0.2.1", Area.NEVER),
        ("2001:db8::1", Area.NEVER),
    ],
)
def test_an_address_lies_where_the_registries_say(address: str, area: Area) -> None:
    assert area_of(address) is area


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_written_as_ipv6_is_judged_as_the_ipv4_host_it_reaches(ip: ipaddress.IPv4Address) -> None:
    area = area_of(str(ip))
    assert area_of(f"::ffff:{ip}") is area
    assert area_of(f"64:ff9b::{ip}") is area
    assert area_of(str(ipaddress.IPv6Address((0x2002 << 112) | (int(ip) << 80)))) is Area.NEVER


@given(st.ip_addresses())
def test_a_public_reach_never_permits_what_is_not_globally_routable(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if Reach().permits(str(ip)):
        # What such an address reaches: the last 32 bits, where it only writes an IPv4 address in another way.
        wrapped = ip.version == 6 and int(ip) >> 32 in {0xFFFF, 0x64_FF9B << 64}
        reached = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if wrapped else ip
        assert reached.is_global
        assert not reached.is_loopback
        assert not reached.is_link_local


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::808:808", "8.8.8.8", "2001:4860:4860::8888"])
def test_a_public_host_is_reached_however_its_address_is_written(address: str) -> None:
    assert Reach().permits(address)


@pytest.mark.parametrize(
    "address", ["2002:808:808::1", "2002:100::", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2001:db8::1"]
)
def test_no_odd_form_of_an_address_opens_a_way(address: str) -> None:
    assert not Reach().permits(address)


def test_private_networks_and_loopback_are_two_permissions() -> None:
    assert not Reach().permits("10.0.0.1")
    assert Reach(private=True).permits("10.0.0.1")
    assert not Reach(private=True).permits("127.0.0.1")
    assert Reach(loopback=True).permits("127.0.0.1")
    assert not Reach(private=True, loopback=True).permits("169.254.169.254")
    assert not Reach(public=False, loopback=True).permits("8.8.8.8")


async def test_a_name_that_leads_to_this_host_is_refused_unless_loopback_is_permitted() -> None:
    with pytest.raises(AddressRefusedError):
        await GuardedResolver(Reach(private=True)).resolve("localhost", 443)
    found = await GuardedResolver(Reach(loopback=True)).resolve("localhost", 443)
    assert {area_of(one["host"]) for one in found} == {Area.LOOPBACK}
