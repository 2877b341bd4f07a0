"""A secure gateway for the exchange of customs declarations between administrations."""

__version__ = "0.1.0"
