"""What stays true in a view: numbers, counts, totals and pointers."""
