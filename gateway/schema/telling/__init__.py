"""What a refused document is told: rule, place, what was expected, what to do."""
