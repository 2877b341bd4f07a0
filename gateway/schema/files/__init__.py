"""The files of a schema set: how they refer to each other, and which of their constructs can be trusted."""
