"""How long one reader may make the database work for a page."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


class TooLongError(Exception):
    """The database did not answer in the time that one page may take."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End each statement that takes longer: it would hold a connection for one reader. Raises TooLongError."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooLongError from error
        raise
