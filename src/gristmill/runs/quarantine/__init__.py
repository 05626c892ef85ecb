"""The quarantine as a workplace: what waits and why, seen by a person who then decides."""
