"""The static check: everything wrong with a policy before any document is seen."""
