"""The right to use data: under what licence, on what terms, and until when.

A right that ends is warned about from thirty days before; when it has ended, nothing more is fetched. What has landed stays:
whether a model may go on using it is a person's question, and `gristmill history` says which batch came from where.
"""

from datetime import date

from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import Settings

WARNED_DAYS = 30


class LicenceExpiredError(GristmillError):
    """The right to fetch from a source has ended."""

    def __str__(self) -> str:
        key, expired = self.args
        return (
            f"{key}: the right to use it ended on {expired}. Nothing more is fetched from it, and what has landed stays. "
            "Renew it and move `expires` in params/<workload>.yaml, or take the source out there."
        )


class Licensed(Settings):
    """What a source says of the right to use it."""

    licence: str = ""
    """The licence of the data, and of what carries it where that differs; the manifest of each landed batch keeps it."""
    terms: str = ""
    """What a user must do or know."""
    expires: date | None = None
    """The last day on which data may be fetched. From 30 days before, each landing and `gristmill status` warn of it."""

    def check_right(self, key: str, today: date) -> str | None:
        """Whether data may be fetched.

        Args:
            key: where the source stands in params, for the sentences.
            today: in UTC.

        Returns:
            A warning when the right ends soon.

        Raises:
            LicenceExpiredError: it has ended.
        """
        if self.expires is None or (n_days := (self.expires - today).days) > WARNED_DAYS:
            return None
        if n_days < 0:
            raise LicenceExpiredError(key, self.expires)
        left = "today" if n_days == 0 else f"in {n_days} day{'s' if n_days > 1 else ''}, on {self.expires}"
        return f"{key}: the right to use it ends {left}. Renew it and move `expires`, or nothing more will be fetched."
