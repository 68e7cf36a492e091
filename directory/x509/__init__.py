"""Addresses and certificates, parsed and judged. Free of Django."""
