"""Addresses and certificates, and the process that strangers' octets are parsed in."""
