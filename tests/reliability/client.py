"""A business system that sends through the API and never gives up: each request is repeated with its key until it is answered."""

import http.client
import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

import orjson

TIMEOUT_SECONDS = 10
FROM = "bills@bank.example.com"


@dataclass
class Client:
    """One thread that works off what it is given. `accepted` is by message id what the API promised; `answers` counts statuses.

    `rude` counts refusals for a while that do not say for how long.
    """

    address: str
    token: str
    recipients: int = 20
    accepted: dict[str, str] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    changed: list[str] = field(default_factory=list)
    rude: int = 0
    given: int = 0
    _work: "queue.Queue[int | None]" = field(default_factory=queue.Queue)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.put(None)
        self._thread.join()

    def send(self, count: int) -> None:
        """Have a request of `count` messages sent."""
        self.given += count
        self._work.put(count)

    def _run(self) -> None:
        for number, count in enumerate(iter(self._work.get, None)):
            messages = [
                {"to": f"c{(number * 7 + place) % self.recipients + 1}@example.net", "subject": "Your statement", "text": f"Statement {place}\n" * 40}
                for place in range(count)
            ]
            body = orjson.dumps({"from": FROM, "messages": messages, "on_missing": "fail"})
            key = str(uuid4())
            first = self._until_accepted(body, key)
            self.accepted.update(first)
            # As a client does that lost the answer: the same key has to give the same messages.
            if number % 5 == 0 and self._until_accepted(body, key) != first:
                self.changed.append(key)

    def _until_accepted(self, body: bytes, key: str) -> dict[str, str]:
        while True:
            status, answer, wait = self._once(body, key)
            self.answers[status] += 1
            if status == 202:
                return {message["id"]: message["message_id"] for message in orjson.loads(answer)["messages"]}
            time.sleep(wait)

    def _once(self, body: bytes, key: str) -> tuple[int, bytes, float]:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/api/v1/messages", body, headers)
            response = connection.getresponse()
            self.rude += response.status == 429 and "Retry-After" not in response.headers
            return response.status, response.read(), min(2.0, float(response.headers.get("Retry-After", "0.2")))
        except (OSError, http.client.HTTPException):
            return 0, b"", 0.2
        finally:
            connection.close()
