"""The one base of every error that this project raises on purpose.

An error lives beside the code that owns it; only this base is shared. Its sentence says what was wrong, where, and how
to mend it, so that the command line can print it as it is.
"""


class GristmillError(Exception):
    """Something that a person can mend; its text is one clear sentence or two."""
