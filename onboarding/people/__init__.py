"""Accounts, memberships and staff roles."""
