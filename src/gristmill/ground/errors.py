"""The one base of every error that this project raises on purpose.

An error lives beside the code that owns it; only this base is shared. Its sentence says what was wrong, where, and how
to mend it, so that the command line can print it as it is.
"""

import errno


class GristmillError(Exception):
    """Something that a person can mend; its text is one clear sentence or two."""


def mendable(error: OSError) -> str | None:
    """A full disk or a missing right as a sentence; None for any other fault of the system."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
        return None
    return f"{error.filename or 'a file'} cannot be written or read: {error.strerror}."
