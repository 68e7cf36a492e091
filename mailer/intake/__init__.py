"""The house's own mailboxes, over SMTP and LMTP: signed mail to collect from, signed answers to proofs, and bounces."""
