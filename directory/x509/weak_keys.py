"""RSA moduli that are known to be weak, looked for in many at once where that says the same as one by one.

The dearest test by far is the greatest common divisor with the product of all primes that were ever found shared: a product of moduli has a common
divisor with it just when one of them has.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from math import prod

import gmpy2
from badkeys import checkrsa

# Not the block list: it is no part of the package, and without it the default call ends the process.
_SINGLE = ("fermat", "pattern", "roca", "rsabias", "rsainvalid", "rsapoly", "smalld", "smallfactors", "xzbackdoor")
_SHARED = "sharedprimes"
_TOGETHER = 32


def is_weak(modulus: int, exponent: int) -> bool:
    """Whether badkeys knows a weakness of this key, of 2048 to 4096 bits."""
    return bool(checkrsa(modulus, e=exponent, checks=(*_SINGLE, _SHARED)))


def weak_among(moduli: Sequence[int], exponent: int) -> set[int]:
    """Those for which `is_weak` holds."""
    weak = {modulus for modulus in set(moduli) if checkrsa(modulus, e=exponent, checks=_SINGLE)}
    return weak | {modulus for group in _groups(moduli) for modulus in _sharing(group)}


def _groups(moduli: Iterable[int]) -> Iterator[list[int]]:
    """Of one length each: badkeys keeps its primes apart by the length of the moduli in which they were found."""
    by_bits: dict[int, list[int]] = defaultdict(list)
    for modulus in set(moduli):
        by_bits[modulus.bit_length()].append(modulus)
    for same in by_bits.values():
        yield from (same[start : start + _TOGETHER] for start in range(0, len(same), _TOGETHER))


def _sharing(group: Sequence[int]) -> list[int]:
    primes = _shared_primes(group[0].bit_length())
    if primes is not None and gmpy2.gcd(prod(group), primes) == 1:
        return []
    return [modulus for modulus in group if checkrsa(modulus, checks=(_SHARED,))]


@cache
def _shared_primes(bits: int) -> "gmpy2.mpz | None":
    """The product of the primes of this length's list; None where there is no list, or not in this place."""
    file = files("badkeys.keydata").joinpath(f"primes{bits}.dat")
    return gmpy2.from_binary(file.read_bytes()) if file.is_file() else None
