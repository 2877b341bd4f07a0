"""What a schema set says about each place, as values: nodes, and the privacy class of what stands there."""
