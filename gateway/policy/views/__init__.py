"""A policy compiled against its set, applied to what leaves and held against what arrives."""
