"""The mailer over HTTP: messages and publications."""
