"""What this package stands on in the directory's cores, wherever both lie: in the portal, or under `letterlock._core` in the client.

A relative import cannot go beyond a top-level package and an absolute one would name the portal's, so the names are made from this package's own.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from directory import isolation  # for the reader and the type checker; the contract of imports sees them too
    from directory.x509 import names  # as above
else:
    _DIRECTORY = f"{__package__.removesuffix('mailer.smime')}directory"
    isolation = import_module(f"{_DIRECTORY}.isolation")
    names = import_module(f"{_DIRECTORY}.x509.names")

Cell = isolation.Cell
IsolationError, ParseTimeout, ParseTooBig = isolation.IsolationError, isolation.ParseTimeout, isolation.ParseTooBig
fold = names.fold

__all__ = ["Cell", "IsolationError", "ParseTimeout", "ParseTooBig", "fold"]
