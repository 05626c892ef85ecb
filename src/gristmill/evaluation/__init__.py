"""Metrics, comparison and gates: what makes a model good enough, and surely not worse."""
