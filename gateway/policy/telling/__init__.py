"""What a policy does, for people: explained, side by side, counted, tried."""
