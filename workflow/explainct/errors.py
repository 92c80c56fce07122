"""The one exception that is meant for the person who runs the workflow."""


class UserError(Exception):
    """A mistake that the user can mend: what was wrong and where, what was expected, one thing to do.

    Jobs print its text as one sentence without a traceback and exit with code 1.
    """
