"""The app of allauth's accounts."""

from allauth.account.apps import AccountConfig


class AccountsConfig(AccountConfig):  # type: ignore[misc]  # the library is untyped
    """The app, whose middleware runs for the admin alone: see `config.admin.middleware`."""

    def ready(self) -> None:
        """Skip the library's search for its middleware in the settings."""
