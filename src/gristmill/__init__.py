"""Gristmill: every batch of data that lands is milled into a better model, or stopped at a gate with a reason."""
