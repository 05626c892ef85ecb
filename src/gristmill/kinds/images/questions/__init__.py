"""Asking about images: files and arrays as images that a model answers, each with what the service would refuse of it."""

from gristmill.kinds.images.questions.arrays import requests
from gristmill.kinds.images.questions.read import read

__all__ = ["read", "requests"]
