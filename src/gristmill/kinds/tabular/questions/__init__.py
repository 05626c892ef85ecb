"""Asking about tables: files and data frames as rows that a model answers, each with what the service would refuse of it."""

from gristmill.kinds.tabular.questions.frames import requests
from gristmill.kinds.tabular.questions.read import read

__all__ = ["read", "requests"]
