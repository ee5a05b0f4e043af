"""Writes to the registry, each in one transaction."""

from models_registry.services.logins import (
    exchange_identity_token,
    open_token_family,
    revoke_families,
    revoke_refresh_token,
    rotate_refresh_token,
)
from models_registry.services.organizations import (
    add_member,
    change_role,
    create_organization,
    remove_member,
    update_organization,
)
from models_registry.services.promotions import (
    Judgement,
    prepare_promotion,
    promote,
    register_judge,
    register_listener,
    roll_back,
    unregister_judge,
)
from models_registry.services.purge import (
    delete_audit_entries,
    delete_expired_logins,
    delete_expired_sessions,
    delete_idempotency_keys,
    delete_in_batches,
)
from models_registry.services.registration import (
    archive_model,
    create_version,
    grant,
    register_model,
    revoke_grant,
    update_model,
    update_version,
)

__all__ = [
    "Judgement",
    "add_member",
    "archive_model",
    "change_role",
    "create_organization",
    "create_version",
    "delete_audit_entries",
    "delete_expired_logins",
    "delete_expired_sessions",
    "delete_idempotency_keys",
    "delete_in_batches",
    "exchange_identity_token",
    "grant",
    "open_token_family",
    "prepare_promotion",
    "promote",
    "register_judge",
    "register_listener",
    "register_model",
    "remove_member",
    "revoke_families",
    "revoke_grant",
    "revoke_refresh_token",
    "roll_back",
    "rotate_refresh_token",
    "unregister_judge",
    "update_model",
    "update_organization",
    "update_version",
]
