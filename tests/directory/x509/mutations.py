"""Certificates changed on purpose: by the bit, by the octet, and by the element with all lengths around it right, so that the change gets far."""

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from directory.x509 import der
from directory.x509.errors import CertificateError
from tests.corpus import shelf
from tests.pki import Authority

_CONSTRUCTED = 0x20
_OCTET_STRING = 0x04
_MOST_DEPTH = 20
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Node:
    """An element of DER: its children, or its octets where it has none. `lie` is added to its length."""

    tag: int
    content: bytes | tuple["Node", ...]
    lie: int = 0

    def encoded(self) -> bytes:
        content = self.content if isinstance(self.content, bytes) else b"".join(child.encoded() for child in self.content)
        length = max(len(content) + self.lie, 0)
        octets = length.to_bytes((length.bit_length() + 7) // 8 or 1, "big")
        return bytes((self.tag,)) + (octets if length < 0x80 else bytes((0x80 + len(octets),)) + octets) + content

    def all(self) -> list["Node"]:
        children = () if isinstance(self.content, bytes) else self.content
        return [self, *(node for child in children for node in child.all())]

    def with_node(self, old: "Node", *new: "Node") -> tuple["Node", ...]:
        """This with `old`, which is the very object, replaced by `new`."""
        if self is old:
            return new
        if isinstance(self.content, bytes):
            return (self,)
        return (replace(self, content=tuple(node for child in self.content for node in child.with_node(old, *new))),)


def tree(data: bytes) -> Node:
    """The element as a tree, looking into the octet strings that hold an extension's value. Raises MalformedCertificateError."""
    return _tree(data, der.element(data, 0, len(data)), depth=0)


def _tree(data: bytes, found: der.Element, *, depth: int) -> Node:
    content = data[found.content : found.end]
    if depth < _MOST_DEPTH and (found.tag & _CONSTRUCTED or (found.tag == _OCTET_STRING and content[:1] == b"\x30")):
        try:
            return Node(found.tag, tuple(_tree(data, child, depth=depth + 1) for child in der.children(data, found)))
        except CertificateError:
            if found.tag & _CONSTRUCTED:
                raise
    return Node(found.tag, content)


def seeds(authority: Authority) -> list[bytes]:
    """One of each kind of key, and those of the corpus where it is here."""
    own = [authority.leaf("alice@example.com", kind, organization="Bank AG").der for kind in ("rsa2048", "p256", "p384")]
    corpus = [item.read() for item in shelf.of_kind("cert")]
    return own * 10 + [data for data in corpus if data[:2] == b"\x30\x82" and len(data) < 4096]


def mutate(sources: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the sources in DER, changed in one to four ways."""
    data = chance.choice(sources)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice((_change_octets, _change_tree, _change_tree))(data, sources, chance)
    return data or b"\x00"


def dressed(data: bytes, chance: random.Random) -> bytes:
    """As it is uploaded: DER, PEM, bare base64; sometimes with the container damaged too."""
    text = base64.encodebytes(data)
    upload = chance.choice((data, data, _BEGIN + text + _END, text))
    return _change_octets(upload, (), chance) if chance.random() < 0.1 else upload


def _change_octets(data: bytes, sources: Sequence[bytes], chance: random.Random) -> bytes:
    del sources
    mutated = bytearray(data)
    for _ in range(chance.choice((1, 1, 4, 16))):
        place = chance.randrange(len(mutated)) if mutated else 0
        match chance.randrange(6):
            case 0 if mutated:
                mutated[place] ^= 1 << chance.randrange(8)
            case 1 if mutated:
                mutated[place] = chance.randrange(256)
            case 2:
                del mutated[place : place + chance.randrange(1, 8)]
            case 3:
                mutated[place:place] = chance.randbytes(chance.randrange(1, 8))
            case 4 if mutated:
                mutated[place : place + 4] = mutated[chance.randrange(len(mutated)) :][:4]
            case _ if chance.random() < 0.2:
                del mutated[place:]
    return bytes(mutated)


def _change_tree(data: bytes, sources: Sequence[bytes], chance: random.Random) -> bytes:
    try:
        whole = tree(data)
        other = chance.choice(tree(chance.choice(sources)).all())
    except CertificateError:
        return data
    node = chance.choice(whole.all())
    return b"".join(found.encoded() for found in whole.with_node(node, *chance.choice(_TREE_CHANGES)(node, other, chance)))[:40_000]


def _nested(node: Node, _other: Node, chance: random.Random) -> list[Node]:
    for _ in range(chance.choice((1, 10, 200, 2000))):
        node = Node(chance.choice((0x30, 0x31, 0xA0, node.tag | _CONSTRUCTED)), node.encoded())
    return [node]


def _swollen(node: Node, _other: Node, chance: random.Random) -> list[Node]:
    content = node.content if isinstance(node.content, bytes) else b""
    return [replace(node, content=(content or b"\xff") * chance.choice((2, 20, 1000)))]


def _changed(node: Node, other: Node, chance: random.Random) -> list[Node]:
    """Left out, twice (an extension among others), many times; spliced; with a length that is not so; as another type; of other octets."""
    return chance.choice(
        (
            [node] * chance.choice((0, 2, 2, 300)),
            [other],
            [node, other],
            [replace(node, lie=chance.choice((-1, 1, 127, 2**16, 2**31)))],
            [replace(node, tag=chance.randrange(256))],
            [replace(node, content=chance.randbytes(chance.randrange(40)))],
        )
    )


_TREE_CHANGES: Sequence[Callable[[Node, Node, random.Random], list[Node]]] = (_changed, _changed, _changed, _nested, _swollen)
