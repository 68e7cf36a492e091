class NotMeasuredError(Exception):
    """A row cannot be measured here; the text says why."""
