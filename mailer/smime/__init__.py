"""S/MIME 4 (RFC 8551): MIME entities, CMS sign and encrypt, open and verify. Free of Django."""
