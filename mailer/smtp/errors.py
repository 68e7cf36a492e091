"""What can go wrong with a session. No text of these errors holds a mail, an address or a password."""


class SmtpError(Exception):
    """The root of what can go wrong between us and the relay."""


class BrokenError(SmtpError):
    """The session is over: it was closed, was silent for too long, or said what no SMTP server says."""


class UnreachableError(SmtpError):
    """There is no session: nothing was handed over, and everything can be tried again."""
