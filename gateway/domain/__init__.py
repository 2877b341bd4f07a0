"""Frozen values and pure decisions: no I/O, no clock, no chance; imports nothing but `gateway.errors`."""
