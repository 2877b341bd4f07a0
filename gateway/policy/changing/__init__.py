"""What a rule may make of a value, whether the results fit their type, and the pseudonyms."""
