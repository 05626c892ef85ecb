"""Tables, as the checks at landing look at them: which rows a contract takes, their columns, and numbers to learn from."""

from gristmill.kinds.tabular.checks.look import features, fitting, linear

__all__ = ["features", "fitting", "linear"]
