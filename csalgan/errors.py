"""What a user did wrong, said in one sentence."""


class CsalganError(Exception):
    """A mistake the user can mend: the message is one sentence that names the file or the
    value and the fix. The command line prints it without a traceback and exits with 1."""
