"""Looking at a table for the first time: what it holds, what to beware of, and a workload that fits it."""

from gristmill.kinds.tabular.profile.draft import Draft, Wish, draft
from gristmill.kinds.tabular.profile.look import UnfitFileError

__all__ = ["Draft", "UnfitFileError", "Wish", "draft"]
