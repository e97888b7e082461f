"""The life of a simulated Token.io payout, and those that an account begins with."""

from __future__ import annotations

from contracts.simulator.state import Body, Record, State

MEMBER = "m:test-member"
UNTIL_PROCESSING = 5
UNTIL_END = 60

PENDING, PROCESSING, COMPLETED, REJECTED, FAILED = STATUSES = (
    "INITIATION_PENDING",
    "INITIATION_PROCESSING",
    "INITIATION_COMPLETED",
    "INITIATION_REJECTED",
    "INITIATION_FAILED",
)
ENDS = {"Test Rejected": REJECTED, "Test Failed": FAILED, "Test Stuck": PROCESSING}
PARTICULARS: dict[str, Body] = {
    PENDING: {},
    PROCESSING: {"bankPaymentStatus": "ACTC"},
    COMPLETED: {"bankPaymentStatus": "ACPC", "bankTransactionId": "test-bank-transaction"},
    REJECTED: {
        "bankPaymentStatus": "RJCT",
        "statusReasonInformation": "The bank does not know this account.",
    },
    FAILED: {"statusReasonInformation": "The bank could not be reached."},
}
_IBAN = {
    "iban": "DE89370400440532013000",
    "bic": "TESTDEFFXXX",
    "accountVerificationId": "test-verification-1",
}
_SORT_CODE = {"accountNumber": "31926819", "sortCode": "601613"}


def advance(state: State) -> None:
    for record in state.payouts:
        age = state.advanced - record.notes.get("made", 0)
        if record.body["status"] == PENDING and age >= UNTIL_PROCESSING:
            set_status(state, record, PROCESSING)
        if record.body["status"] == PROCESSING and age >= UNTIL_END:
            set_status(state, record, record.notes.get("ends", COMPLETED))


def set_status(state: State, record: Record, status: str) -> None:
    """The particulars of the status before go with it."""
    if status != record.body["status"]:
        gone = PARTICULARS.get(record.body["status"], {}).keys()
        fields = {"status": status, "updatedDateTime": state.stamp(), **PARTICULARS[status]}
        state.payouts.change(record, without=gone, **fields)


def seed(state: State) -> None:
    for number in range(1, 13):
        status = STATUSES[(number - 1) % 5]
        stamp = f"2026-11-02T10:43:{number:02}.000Z"
        body = payout(f"po:test{number:04}:sim", status, _order(number), stamp)
        state.payouts.add({**body, **PARTICULARS[status]})


def _order(number: int) -> Body:
    euro = number % 2 == 0
    return {
        "refId": f"test-ref-{number:04}",
        "description": f"INV 2026-{number:04}",
        "amount": {"value": f"{10 * number}.{number:02}", "currency": "EUR" if euro else "GBP"},
        "debtor": {"accountId": "test-settlement-account-1"},
        "creditor": {"name": f"Test Person {number}", **(_IBAN if euro else _SORT_CODE)},
    }


def payout(id: str, status: str, initiation: Body, stamp: str) -> Body:
    return {
        "id": id,
        "memberId": MEMBER,
        "status": status,
        "createdDateTime": stamp,
        "updatedDateTime": stamp,
        "initiation": initiation,
    }
