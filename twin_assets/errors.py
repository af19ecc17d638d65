"""The error that a user can mend. What went wrong inside the platform stays an ordinary exception."""


class UserError(ValueError):
    """One sentence that says what is wrong with the input or the environment, and what to do about it.

    The command line prints it without a traceback; a step that meets it fails without a retry, because a retry cannot
    help.
    """
