"""Signing, encrypting and reading mail."""
