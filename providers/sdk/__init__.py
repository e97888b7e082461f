"""The words that the gateway and every plugin share. A plugin imports nothing else of ours.

ProviderError
├── FieldRefused     the provider has no place for a field, or the field breaks a documented rule: nothing was sent
├── NotOffered       the provider documents no such call: nothing was sent
├── Malformed        a reply that is not what the contract documents
└── Mismatch         a reply that speaks of another payout, amount or state than we asked for
"""

from providers.sdk.call import (
    Call,
    Effect,
    Problem,
    Refusal,
    RefusalKind,
    Reply,
    convergent,
    creates,
    guarded,
    path,
    read,
)
from providers.sdk.decoding import ABSENT, bare_text, decode, flag_text, number_text, optional_whole, plain_text, whole
from providers.sdk.errors import FieldRefused, Malformed, Mismatch, NotOffered, ProviderError
from providers.sdk.money import Money, UnknownCurrency, exponent
from providers.sdk.payout import (
    FINAL,
    TARGETS,
    Figures,
    ListQuery,
    Mark,
    Order,
    Page,
    Payee,
    PayeeAccount,
    Payout,
    PayoutRequest,
    PayoutSettings,
    PayoutStatus,
    Period,
    RequestStatus,
    Text,
    masked,
)
from providers.sdk.provider import CAPABILITIES, Account, Provider, Token
from providers.sdk.secret import Secret

__all__ = [
    "ABSENT",
    "CAPABILITIES",
    "FINAL",
    "TARGETS",
    "Account",
    "Call",
    "Effect",
    "FieldRefused",
    "Figures",
    "ListQuery",
    "Malformed",
    "Mark",
    "Mismatch",
    "Money",
    "NotOffered",
    "Order",
    "Page",
    "Payee",
    "PayeeAccount",
    "Payout",
    "PayoutRequest",
    "PayoutSettings",
    "PayoutStatus",
    "Period",
    "Problem",
    "Provider",
    "ProviderError",
    "Refusal",
    "RefusalKind",
    "Reply",
    "RequestStatus",
    "Secret",
    "Text",
    "Token",
    "UnknownCurrency",
    "bare_text",
    "convergent",
    "creates",
    "decode",
    "exponent",
    "flag_text",
    "guarded",
    "masked",
    "number_text",
    "optional_whole",
    "path",
    "plain_text",
    "read",
    "whole",
]
