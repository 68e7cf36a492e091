"""The certificate authority: profiles, the linter, the ledger, and the signer process that alone opens CA keys."""
