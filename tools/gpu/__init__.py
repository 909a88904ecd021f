"""One check of a GPU: right, how fast, and beside what it has to reach."""
