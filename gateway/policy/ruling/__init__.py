"""Which rule speaks for a place, and what has to be asked of a document to tell."""
