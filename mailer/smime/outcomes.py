"""What can be said of a signed message: one name for each case, of which only one is good."""

from enum import StrEnum


class Outcome(StrEnum):
    VERIFIED = "verified"
    # What it is.
    NOT_SIGNED = "not_signed"
    PARTLY_SIGNED = "partly_signed"  # something signed is inside, but what is shown is more than that
    SIGNED_OUTSIDE = "signed_outside"  # the signature is around ciphertext: its signer need not know what is inside
    NESTED_SIGNATURE = "nested_signature"  # one readable text under two signatures, of which programs show the one or the other
    NOT_OPENED = "not_opened"  # encrypted, and not for the given keys or not to be decrypted
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNSUPPORTED = "unsupported"
    # The signature.
    NO_SIGNER_CERTIFICATE = "no_signer_certificate"
    CONTENT_CHANGED = "content_changed"
    ATTRIBUTES_WRONG = "attributes_wrong"
    SIGNATURE_WRONG = "signature_wrong"
    LEGACY_ALGORITHM = "legacy_algorithm"  # SHA-1, MD5, DSA, short RSA keys
    # The certificate.
    WRONG_USAGE = "wrong_usage"
    NOT_VALID_THEN = "not_valid_then"
    UNTRUSTED = "untrusted"
    REVOKED = "revoked"
    UNKNOWN_REVOCATION = "unknown_revocation"
    # The sender.
    NO_SENDER = "no_sender"
    SENDER_UNCLEAR = "sender_unclear"  # From cannot be read in one way only
    SEVERAL_SENDERS = "several_senders"
    MISLEADING_NAME = "misleading_name"  # the display name shows another address or hides characters
    REPEATED_FIELD = "repeated_field"
    OTHER_SENDER = "other_sender"
    FOREIGN_SENDER_FIELD = "foreign_sender_field"
    FOREIGN_REPLY_TO = "foreign_reply_to"
    HEADERS_DIFFER = "headers_differ"  # inside the signature other header fields stand than outside


# In these the signature itself holds: the content is what the key signed.
INTACT = frozenset({
    Outcome.VERIFIED,
    Outcome.LEGACY_ALGORITHM,
    Outcome.WRONG_USAGE,
    Outcome.NOT_VALID_THEN,
    Outcome.UNTRUSTED,
    Outcome.REVOKED,
    Outcome.UNKNOWN_REVOCATION,
    Outcome.NO_SENDER,
    Outcome.SENDER_UNCLEAR,
    Outcome.SEVERAL_SENDERS,
    Outcome.MISLEADING_NAME,
    Outcome.REPEATED_FIELD,
    Outcome.OTHER_SENDER,
    Outcome.FOREIGN_SENDER_FIELD,
    Outcome.FOREIGN_REPLY_TO,
    Outcome.HEADERS_DIFFER,
})  # fmt: skip
