"""The life of an application: one table of transitions, free of Django."""

from enum import StrEnum


class Status(StrEnum):
    """Who acts next: DRAFT and WAITING the applicant, SUBMITTED and SECOND_LOOK the reviewers, the rest nobody."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    WAITING = "waiting"
    SECOND_LOOK = "second_look"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    SUBMIT = "submit"
    REQUEST_INFORMATION = "request_information"
    ANSWER = "answer"
    APPROVE_FIRST = "approve_first"
    APPROVE_SECOND = "approve_second"
    REJECT = "reject"
    WITHDRAW = "withdraw"


TRANSITIONS: dict[tuple[Status, Action], Status] = {
    (Status.DRAFT, Action.SUBMIT): Status.SUBMITTED,
    (Status.SUBMITTED, Action.REQUEST_INFORMATION): Status.WAITING,
    (Status.SECOND_LOOK, Action.REQUEST_INFORMATION): Status.WAITING,
    (Status.WAITING, Action.ANSWER): Status.SUBMITTED,
    (Status.SUBMITTED, Action.APPROVE_FIRST): Status.SECOND_LOOK,
    (Status.SECOND_LOOK, Action.APPROVE_SECOND): Status.APPROVED,
    (Status.SUBMITTED, Action.REJECT): Status.REJECTED,
    (Status.SECOND_LOOK, Action.REJECT): Status.REJECTED,
    (Status.DRAFT, Action.WITHDRAW): Status.WITHDRAWN,
    (Status.SUBMITTED, Action.WITHDRAW): Status.WITHDRAWN,
    (Status.WAITING, Action.WITHDRAW): Status.WITHDRAWN,
    (Status.SECOND_LOOK, Action.WITHDRAW): Status.WITHDRAWN,
}


class WrongStateError(Exception):
    """The action is not possible from the status the application is in."""

    def __init__(self, status: str, action: Action) -> None:
        super().__init__(f"{action} is not possible from {status}")
        self.status = status
        self.action = action


def after(status: Status, action: Action) -> Status:
    """The status that `action` leads to; WrongStateError where the table has no such line."""
    try:
        return TRANSITIONS[status, action]
    except KeyError:
        raise WrongStateError(status, action) from None
