"""What the reported figures were measured with: `python -m benchmarks.measure` runs it all, into docs/measured.json."""
