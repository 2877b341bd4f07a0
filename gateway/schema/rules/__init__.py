"""Profile rules: the language, its static check, and the rules compiled."""
