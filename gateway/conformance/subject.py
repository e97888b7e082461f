"""What is tested: a plugin, its contract, its mapping, and an account with fake credentials."""

from __future__ import annotations

import collections.abc
import importlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.document import Document
from contracts.mapping import Mapping
from contracts.scenarios import Scenario, scenarios_in
from gateway.plugins import contract_folder, installed, unusable
from providers.sdk import Account, Provider, Secret


class SubjectInvalid(ValueError):
    """What was named cannot be tested: no such plugin, no contract, or a mapping that does not fit the plugin."""


@dataclass(frozen=True)
class Subject:
    """A plugin with everything that its tests need."""

    plugin: type[Provider]
    document: Document
    mapping: Mapping
    folder: Path

    @classmethod
    def installed(cls, name: str, contract: Path | None = None) -> Subject:
        """An installed provider; its contract lies where the plugin has it, or in the folder given.

        Raises SubjectInvalid.
        """
        found = installed()
        if name in unusable():
            raise SubjectInvalid(unusable()[name])
        if name not in found:
            raise SubjectInvalid(f"no provider {name!r} is installed; there are {', '.join(found)}")
        folder = contract or contract_folder(found[name])
        if folder is None:
            raise SubjectInvalid(f"{name} has no contract; put openapi.yaml and mapping.yaml into a folder `contract`")
        return cls._of(found[name], folder)

    @classmethod
    def named(cls, spec: str, contract: Path) -> Subject:
        """A class by `module:Class`, and the folder of its openapi.yaml and mapping.yaml. Raises SubjectInvalid."""
        module, _, name = spec.partition(":")
        try:
            plugin = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SubjectInvalid(f"{spec!r} cannot be loaded ({error}); it must be module:Class") from None
        if not (isinstance(plugin, type) and issubclass(plugin, Provider)):
            raise SubjectInvalid(f"{spec} is no providers.sdk.Provider")
        return cls._of(plugin, contract)

    @classmethod
    def _of(cls, plugin: type[Provider], folder: Path) -> Subject:
        for name in ("openapi.yaml", "mapping.yaml"):
            if not (folder / name).is_file():
                raise SubjectInvalid(f"{folder} holds no {name}")
        try:
            return cls(plugin, Document.load(folder / "openapi.yaml"), Mapping.load(folder / "mapping.yaml"), folder)
        except (ValueError, yaml.YAMLError) as error:
            raise SubjectInvalid(f"{folder} cannot be used: {error}") from None

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def currency(self) -> str | None:
        """That of the connection; None where the provider names its own."""
        currency: str | None = self.mapping.subject.get("currency")
        return currency

    def check(self) -> None:
        """Raises SubjectInvalid where the mapping's account does not fit the plugin."""
        if self.mapping.provider != self.name:
            raise SubjectInvalid(f"the mapping is {self.mapping.provider}'s, and the plugin is {self.name}")
        if self.currency is None and not self.plugin.names_currency:
            raise SubjectInvalid(f"subject.currency: payouts of {self.name} name no currency, the mapping must")
        if self.direct is None:
            raise SubjectInvalid("subject.credentials: none that the plugin takes")

    def made(self, currency: str | None = None) -> Provider:
        """The plugin over a fake account. Raises SubjectInvalid where the mapping's settings do not fit it."""
        try:
            settings = msgspec.convert(self.mapping.subject.get("settings", {}), self.plugin.settings_type)
        except msgspec.ValidationError as error:
            raise SubjectInvalid(f"subject.settings: {error}") from None
        return self.plugin(Account(currency or self.currency, settings))

    @cached_property
    def credentials(self) -> list[Any]:
        """One of each form that the mapping gives, all fake. Raises SubjectInvalid."""
        return [self.form(given) for given in self.mapping.subject.get("credentials", ())]

    @cached_property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Those beside the contract. Raises ScenariosInvalid."""
        return scenarios_in(self.folder)

    def form(self, given: collections.abc.Mapping[str, Any]) -> Any:
        """Credentials of the form that has these fields. Raises SubjectInvalid."""
        for form in self.plugin.credentials:
            if {field.name for field in msgspec.structs.fields(form)} == given.keys():
                return form(**{name: Secret(_value(value)) for name, value in given.items()})
        raise SubjectInvalid(f"credentials: {sorted(given)} is no form that {self.name} takes")

    @cached_property
    def direct(self) -> Any:
        """Credentials that are sent as they are, where there are such."""
        return self._first(minted=False) or self.credentials[0]

    @cached_property
    def minted(self) -> Any:
        """Credentials that are exchanged for a token; None where there are none."""
        return self._first(minted=True)

    def _first(self, minted: bool) -> Any:
        made = self.made()
        return next((each for each in self.credentials if (made.login(each) is not None) == minted), None)


_GENERATE: dict[str, collections.abc.Callable[[], PrivateKeyTypes]] = {
    "ed25519": Ed25519PrivateKey.generate,
    "p256": lambda: generate_private_key(SECP256R1()),
    "rsa": lambda: generate_rsa_key(65537, 2048),
}


def _value(given: Any) -> str:
    return given if isinstance(given, str) else _kept_key(given["generate"])


@cache
def _kept_key(kind: str) -> str:
    """One for the process: an RSA key takes a while."""
    return new_key(kind)


def new_key(kind: str = "ed25519") -> str:
    """A private key in PEM."""
    key = _GENERATE[kind]()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
