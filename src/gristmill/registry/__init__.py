"""The mill branch: data versions, runs, model versions and aliases, in git."""
