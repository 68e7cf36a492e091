"""Pages of accounts, applications and the review desk: they translate and call."""
