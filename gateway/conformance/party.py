"""Who runs the scenarios: a plugin over an account, with credentials that open it and others that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.conformance.subject import Subject, SubjectInvalid, new_key
from providers.sdk import Account, Provider, Secret


@dataclass(frozen=True)
class Party:
    subject: Subject
    provider: Provider
    credentials: Any

    @classmethod
    def of(
        cls, subject: Subject, credentials: Mapping[str, str], currency: str | None, settings: Mapping[str, str]
    ) -> Party:
        """Raises SubjectInvalid where the plugin takes no such credentials or settings."""
        try:
            converted = msgspec.convert(dict(settings), subject.plugin.settings_type, strict=False)
        except msgspec.ValidationError as error:
            raise SubjectInvalid(f"settings: {error}") from None
        return cls(subject, subject.plugin(Account(currency, converted)), subject.form(credentials))

    @property
    def wrong(self) -> Any:
        """Credentials of the same form that open nothing."""
        names = self.credentials.__struct_fields__
        return type(self.credentials)(**{name: _wrong(getattr(self.credentials, name)) for name in names})


def _wrong(secret: Secret) -> Secret:
    """A private key must be one: else nothing could be sent at all."""
    return Secret(new_key() if secret.reveal().startswith("-----BEGIN") else "test-wrong-credential")
