"""A plain torch loop, and what surrounds it: data in memory, checkpoints, devices, export."""
