"""What the other programs write, by their defaults and by the options that people set: signatures of one entity, and envelopes around one."""

from collections.abc import Callable
from typing import NamedTuple

from tests.interop.bouncycastle import BouncyCastle
from tests.interop.engine import Engine
from tests.interop.gpgsm import Gpgsm
from tests.interop.layers import Signed
from tests.interop.nss import Nss
from tests.interop.openssl import OpenSsl

BANK_KEYS = ("bank-rsa", "bank-p256", "bank-p384")


class Signature(NamedTuple):
    engine: str
    what: str
    write: Callable[[Engine, bytes], Signed]


class Envelope(NamedTuple):
    """`holder` is who opens it."""

    engine: str
    what: str
    holder: str
    write: Callable[[Engine, bytes], bytes]


def _openssl_signature(key: str, *options: str) -> Signature:
    """`-nodetach` among the options makes it opaque."""
    opaque = "-nodetach" in options

    def write(engine: Engine, entity: bytes) -> Signed:
        assert isinstance(engine, OpenSsl)
        names = ("-signer", f"{key}.crt", "-inkey", f"{key}.key", "-certfile", "issuer.pem")
        cms = engine.cms("-sign", "-binary", "-outform", "DER", *names, *options, given=entity)
        return Signed(cms, None if opaque else entity)

    return Signature("openssl", " ".join((key, *options)), write)


def _nss_signature(key: str, *options: str) -> Signature:
    detached = "-T" in options

    def write(engine: Engine, entity: bytes) -> Signed:
        assert isinstance(engine, Nss)
        cms = engine.cmsutil("bank", "-S", "-N", key, "-i", "in", *options, **{"in": entity})
        return Signed(cms, entity if detached else None)

    return Signature("nss", " ".join((key, *options)), write)


def _gpgsm_signature(key: str, command: str) -> Signature:
    # Its default is SHA-256 for every key, with which its own agent then refuses to sign by P-384.
    digest = ("--digest-algo", "SHA384") if key == "bank-p384" else ()

    def write(engine: Engine, entity: bytes) -> Signed:
        assert isinstance(engine, Gpgsm)
        cms, _ = engine.writes("bank", command, *digest, "--local-user", engine.fingerprint(key), "in", **{"in": entity})
        return Signed(cms, None if command == "--sign" else entity)

    return Signature("gpgsm", f"{key} {command}", write)


def _bouncycastle_signature(key: str, form: str) -> Signature:
    def write(engine: Engine, entity: bytes) -> Signed:
        assert isinstance(engine, BouncyCastle)
        return Signed(engine.answers("sign", entity, f"{key}.key", f"{key}.crt", "issuer.pem", form), None if form == "opaque" else entity)

    return Signature("bouncycastle", f"{key} {form}", write)


def _openssl_envelope(holder: str, *options: str, also: str = "") -> Envelope:
    """`also` is a recipient before the one who opens it: most programs add the sender."""

    def write(engine: Engine, content: bytes) -> bytes:
        assert isinstance(engine, OpenSsl)
        first = ("-recip", f"{also}.crt") if also else ()
        cipher = [word for word in options if ":" not in word]
        # These belong to the recipient before them.
        key_options = [word for option in options if ":" in option for word in ("-keyopt", option)]
        return engine.cms("-encrypt", "-binary", "-outform", "DER", *cipher, *first, "-recip", f"{holder}.crt", *key_options, given=content)

    return Envelope("openssl", " ".join((holder, *options, *([f"and {also}"] if also else []))), holder, write)


def _nss_envelope(holder: str, *also: str) -> Envelope:
    def write(engine: Engine, content: bytes) -> bytes:
        assert isinstance(engine, Nss)
        return engine.cmsutil("bank", "-E", "-r", ",".join((*also, holder)), "-i", "in", **{"in": content})

    return Envelope("nss", " ".join((holder, *also)), holder, write)


def _gpgsm_envelope(holder: str, *options: str) -> Envelope:
    def write(engine: Engine, content: bytes) -> bytes:
        assert isinstance(engine, Gpgsm)
        return engine.writes("bank", "--encrypt", *options, "--recipient", engine.fingerprint(holder), "in", **{"in": content})[0]

    return Envelope("gpgsm", " ".join((holder, *options)), holder, write)


def _bouncycastle_envelope(holder: str, form: str) -> Envelope:
    def write(engine: Engine, content: bytes) -> bytes:
        assert isinstance(engine, BouncyCastle)
        return engine.answers("encrypt", content, f"{holder}.crt", form)

    return Envelope("bouncycastle", f"{holder} {form}", holder, write)


_PSS = ("-keyopt", "rsa_padding_mode:pss")
SIGNATURES = [
    *(_openssl_signature(key, *form) for key in BANK_KEYS for form in ((), ("-nodetach",))),
    _openssl_signature("bank-rsa", "-keyid"),
    _openssl_signature("bank-rsa", "-noattr"),
    _openssl_signature("bank-p256", "-noattr", "-nodetach"),
    _openssl_signature("bank-rsa", "-cades"),
    _openssl_signature("bank-rsa", "-nosmimecap", "-md", "sha512"),
    _openssl_signature("bank-p384", "-md", "sha384"),
    _openssl_signature("bank-rsa", "-nodetach", "-stream"),
    _openssl_signature("bank-rsa", *_PSS),
    _openssl_signature("bank-rsa", *_PSS, "-keyopt", "rsa_pss_saltlen:20"),
    _openssl_signature("bank-rsa", *_PSS, "-keyopt", "rsa_pss_saltlen:48", "-md", "sha384"),
    *(_nss_signature(key, *options) for key in BANK_KEYS for options in ((), ("-T",), ("-T", "-G", "-P"), ("-G", "-Y", key))),
    *(_gpgsm_signature(key, command) for key in BANK_KEYS for command in ("--sign", "--detach-sign")),
    *(_bouncycastle_signature(key, form) for key in BANK_KEYS for form in ("detached", "opaque")),
]
ENVELOPES = [
    *(_openssl_envelope(holder) for holder in ("alice-rsa", "alice-p256", "alice-p384")),
    _openssl_envelope("alice-rsa", "-aes256"),
    _openssl_envelope("alice-rsa", "-aes128", "-stream"),
    _openssl_envelope("alice-rsa", "-aes-192-cbc", "-keyid"),
    _openssl_envelope("alice-rsa", "-aes-256-gcm"),
    _openssl_envelope("alice-rsa", "rsa_padding_mode:oaep"),
    _openssl_envelope("alice-rsa", "-aes256", "rsa_padding_mode:oaep", "rsa_oaep_md:sha256"),
    _openssl_envelope("alice-rsa", "-aes256", "rsa_padding_mode:oaep", "rsa_oaep_md:sha512", "rsa_mgf1_md:sha1", "rsa_oaep_label:0a0b"),
    _openssl_envelope("alice-p256", "-aes256", "ecdh_kdf_md:sha256"),
    _openssl_envelope("alice-p256", "-aes256", "ecdh_kdf_md:sha384"),
    _openssl_envelope("alice-p384", "-aes256", "ecdh_kdf_md:sha512"),
    _openssl_envelope("alice-p256", "-aes-128-gcm", "-wrap", "aes128-wrap"),
    _openssl_envelope("alice-p256", "-aes256", "-keyid"),
    _openssl_envelope("alice-p384", "-aes256", "ecdh_cofactor_mode:1"),
    _openssl_envelope("alice-rsa", "-aes256", also="bob-rsa"),
    _openssl_envelope("alice-p256", "-aes256", also="bob-rsa"),
    _openssl_envelope("alice-p256", "-aes256", also="bob-p256"),
    _nss_envelope("alice-rsa"),
    _nss_envelope("alice-rsa", "bob-rsa"),
    # gpgsm 2.2 writes to no EC key.
    _gpgsm_envelope("alice-rsa"),
    _gpgsm_envelope("alice-rsa", "--cipher-algo", "3DES"),
    *(_bouncycastle_envelope(holder, form) for holder in ("alice-rsa", "alice-p256", "alice-p384") for form in ("cbc", "gcm", "stream")),
]
# Thunderbird's own NSS, which unlike Debian's writes to EC keys too.
THUNDERBIRD_ENVELOPES = [
    *(_nss_envelope(holder) for holder in ("alice-rsa", "alice-p256", "alice-p384")),
    _nss_envelope("alice-p256", "bob-p256"),
    _nss_envelope("alice-p256", "bob-rsa"),
    _nss_envelope("alice-rsa", "bob-p384"),
]
