"""The README's story, played on real data by `make run`."""
