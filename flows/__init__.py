"""Prefect: order, retries, time-outs, artifacts. The only place that imports it."""
