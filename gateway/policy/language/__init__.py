"""A policy file, read: selectors, conditions, changes, includes; what it says as values, flat and hashed."""
