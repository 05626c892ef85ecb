"""What a model is for, in the words of whoever asked for it: it stands at the top of every report."""

from pydantic import Field

from gristmill.ground.settings import Settings


class ProblemSettings(Settings):
    """What was asked. Nothing is computed from it, but a figure means little to a reader who does not know it."""

    goal: str
    """What is predicted, of what."""
    decision: str
    """What somebody does differently because of an answer."""
    costs: dict[str, str] = Field(min_length=1)
    """Each way of being wrong, and what it costs."""
    owner: str
    """Who answers for the model."""
