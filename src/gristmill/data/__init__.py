"""Sources, landing and batches: how bytes come in, and how they are kept."""
