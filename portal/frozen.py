"""What is loaded once and kept for ever is no garbage: the collector need not look through it again and again."""

import gc


def freeze_loaded() -> None:
    """Call when a process has loaded what it works with: of accepting a hundred messages, a sixth of the time went into such collections."""
    gc.collect()
    gc.freeze()
