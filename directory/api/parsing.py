"""Request bodies: JSON by orjson, read up to a limit."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from directory.api.problems import Problem


class JSONBody(BaseParser):
    """JSON in UTF-8 of at most `most_octets`; raises Problem 413, or ParseError (400)."""

    media_type = "application/json"
    most_octets = 1024 * 1024

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        body = stream.read(self.most_octets + 1)
        if len(body) > self.most_octets:
            raise Problem(413, _("Too large"), _("The request is larger than this endpoint takes."), kind="too-large")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("The body is not JSON in UTF-8.")) from error
