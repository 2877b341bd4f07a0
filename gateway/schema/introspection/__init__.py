"""Reads what a set says through xmlschema. Loaded only where a tree is asked for."""
