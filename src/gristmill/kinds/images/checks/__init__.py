"""Images, as the checks at landing look at them: which a contract takes, their statistics, and their pixels."""

from gristmill.kinds.images.checks.look import features, fitting, linear

__all__ = ["features", "fitting", "linear"]
