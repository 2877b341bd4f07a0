"""Code lists as data, the places they are bound to, and the check."""
