"""One turn of the mill: a tree of its own, its stages, its record and its promotion."""
