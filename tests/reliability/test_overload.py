"""Three times more than the outbox may hold, while the relay is busy: refusals that say for how long, and what was accepted goes out."""

from collections import Counter
from contextlib import ExitStack

from tests.reliability.client import Client
from tests.reliability.ground import open_ground
from tests.reliability.verdict import settle

DEPTH = 120


def test_it_refuses_politely_and_keeps_what_it_accepted() -> None:
    with open_ground(more={"LETTERLOCK_OUTBOX_DEPTH": str(DEPTH)}) as ground, ExitStack() as stack:
        mood = ground.folder / "relay" / "mood"
        mood.write_text("rcpt 450 4.3.2 busy")
        clients = [stack.enter_context(Client(ground.address, ground.token)) for _ in range(3)]
        for client in clients:
            for _request in range(12):
                client.send(10)
        ground.wait_for(lambda: all(client.answers[429] for client in clients), "a refusal for each")
        mood.write_text("data 451 4.3.0 later")
        deferred = "SELECT count(*) FROM mailer_sendevent WHERE event = 'deferred' AND detail LIKE '451%%'"
        ground.wait_for(lambda: ground.rows(deferred) != [(0,)], "a mail deferred at its end")
        mood.unlink()
        settle(ground, *clients, seconds=180)
        answers = sum((client.answers for client in clients), Counter[int]())
        assert set(answers) == {202, 429}, "no 5xx, and nobody was left without an answer"
        assert sum(client.rude for client in clients) == 0
        accepted = {message_id for client in clients for message_id in client.accepted.values()}
        assert Counter(ground.taken()) == dict.fromkeys(accepted, 1)
        assert ground.rows("SELECT status, count(*) FROM mailer_message GROUP BY status") == [("handed", 3 * DEPTH)]
