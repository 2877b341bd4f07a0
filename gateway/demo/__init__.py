"""The demo: two gateways on one machine, their authority, sample traffic, and stand-ins for their back ends."""

from gateway.demo.run import run_demo

__all__ = ["run_demo"]
