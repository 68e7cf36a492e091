"""Decrypting content: AES-CBC and AES-GCM (RFC 3565, RFC 5084), and what is opened for its age only, 3DES and RC2 (RFC 3370 section 5)."""

from cryptography.exceptions import InvalidTag
from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedCipher
from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.padding import PKCS7

from .content_keys import CANNOT
from .der import OCTET_STRING, SEQUENCE
from .envelopes import Envelope
from .errors import CannotDecrypt, LegacyAlgorithm, MalformedCms, UnsupportedAlgorithm
from .foreign import CIPHERS, GCM, GONE_CIPHERS, RC2, TRIPLE_DES, ContentCipher
from .reader import Algorithm, Reader

_LEAST_TAG, _MOST_TAG = 12, 16  # RFC 5084 section 3.2
_LEAST_NONCE, _MOST_NONCE = 8, 128
_RC2_128_BITS = 58  # RFC 8018 appendix B.2.3: how the parameters say 128 effective bits


def cipher_of(envelope: Envelope) -> ContentCipher:
    """The envelope's content cipher. Raises MalformedCms, UnsupportedAlgorithm, LegacyAlgorithm."""
    name = Algorithm(envelope.cipher).name
    if name in GONE_CIPHERS:
        raise LegacyAlgorithm("a content cipher that is no longer decrypted")
    cipher = CIPHERS.get(name)
    if cipher is None:
        raise UnsupportedAlgorithm("a content cipher that is not read here")
    if (cipher.mode == GCM) is not (envelope.tag is not None):
        raise UnsupportedAlgorithm("a content cipher that does not belong into this kind of envelope")
    if cipher.mode == RC2:
        _check_rc2(envelope)
    return cipher


def decrypt(envelope: Envelope, key: bytes) -> bytes:
    """The content under a key of the cipher's size. Raises MalformedCms, UnsupportedAlgorithm, LegacyAlgorithm, CannotDecrypt."""
    cipher = cipher_of(envelope)
    parameters = Algorithm(envelope.cipher).parameters
    if parameters is None:
        raise MalformedCms("a content cipher without parameters")
    if cipher.mode == GCM:
        return _decrypt_gcm(envelope, key, parameters)
    algorithm: BlockCipherAlgorithm
    if cipher.mode == TRIPLE_DES:
        algorithm, vector = decrepit.TripleDES(key), Reader.of(parameters).octets(OCTET_STRING)
    elif cipher.mode == RC2:
        algorithm, vector = decrepit.RC2(key), _rc2(parameters)[1]
    else:
        algorithm, vector = AES(key), Reader.of(parameters).octets(OCTET_STRING)
    return _decrypt_cbc(envelope.content, algorithm, vector)


def _decrypt_cbc(content: bytes, algorithm: BlockCipherAlgorithm, vector: bytes) -> bytes:
    block = algorithm.block_size // 8
    if len(vector) != block:
        raise MalformedCms("an initialization vector of another size than the block's")
    if not content or len(content) % block:
        raise MalformedCms("the content is not whole blocks")
    try:
        decryptor = Cipher(algorithm, modes.CBC(vector)).decryptor()
        padded = decryptor.update(content) + decryptor.finalize()
        unpadder = PKCS7(algorithm.block_size).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except UnsupportedCipher as error:
        raise LegacyAlgorithm("a content cipher that is no longer decrypted") from error
    except ValueError as error:
        raise CannotDecrypt(CANNOT) from error


def _decrypt_gcm(envelope: Envelope, key: bytes, parameters: bytes) -> bytes:
    """The tag is always checked, and nothing comes out before it is. Its size is told by ICVlen or, where that is left out, by the tag."""
    reader = Reader.of(parameters).enter(SEQUENCE)
    nonce, tag = reader.octets(OCTET_STRING), envelope.tag or b""
    size = reader.number() if reader.tag is not None else len(tag)
    if size != len(tag) or not _LEAST_TAG <= size <= _MOST_TAG or not _LEAST_NONCE <= len(nonce) <= _MOST_NONCE:
        raise UnsupportedAlgorithm("a nonce or tag of a size that is not read here")
    decryptor = Cipher(AES(key), modes.GCM(nonce, tag, min_tag_length=_LEAST_TAG)).decryptor()
    decryptor.authenticate_additional_data(envelope.attributes)
    content = decryptor.update(envelope.content)
    try:
        return content + decryptor.finalize()
    except InvalidTag as error:
        raise CannotDecrypt(CANNOT) from error


def _rc2(parameters: bytes) -> tuple[int, bytes]:
    """RC2's version, which encodes its effective bits, and its vector; a bare vector means 32 bits (RFC 8018 appendix B.2.3)."""
    reader = Reader.of(parameters)
    if reader.tag == OCTET_STRING:
        return 0, reader.octets(OCTET_STRING)
    members = reader.enter(SEQUENCE)
    return members.number(), members.octets(OCTET_STRING)


def _check_rc2(envelope: Envelope) -> None:
    parameters = Algorithm(envelope.cipher).parameters
    if parameters is None or _rc2(parameters)[0] != _RC2_128_BITS:
        raise LegacyAlgorithm("RC2 with a short key, which is no longer decrypted")
