"""Answering requests with the model in production; knows no web framework's name but ASGI."""
