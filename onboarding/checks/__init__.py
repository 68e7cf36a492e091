"""What the machine can find out about a claim: one check a file. A check reports; people decide."""

from onboarding.checks.base import Check, Finding

__all__ = ["Check", "Finding"]
