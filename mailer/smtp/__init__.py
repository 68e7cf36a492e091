"""A pipelining SMTP client (RFC 5321, RFC 2920) for many sessions at once; free of Django and of the outbox's tables."""
