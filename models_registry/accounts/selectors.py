"""Reads of accounts: what writes depend on, and what a user may do at all."""

from django.contrib.auth.models import AnonymousUser

from models_registry.accounts.models import Membership, ModelGrant, User
from models_registry.accounts.scopes import IMPLIED_BY_ROLE, MODEL_SCOPES, Scope, expand
from models_registry.api.lookups import missing_reference

_IMPLIED: dict[str, frozenset[Scope]] = {
    **{role.value: scopes for role, scopes in IMPLIED_BY_ROLE.items()},
    **{scope.value: expand([scope]) for scope in MODEL_SCOPES},
}


def lock_active_user(username: str) -> User:
    """Return the active user of that name, who cannot be deleted until the transaction ends.

    Raises `InvalidBodyError` if there is none.
    """
    user = User.objects.select_for_update(no_key=True).filter(username=username, is_active=True).first()
    if user is None:
        raise missing_reference("username", f"There is no active user {username[:40]!r}.")
    return user


def scopes_anywhere(user: User | AnonymousUser) -> frozenset[Scope]:
    """Return the scopes that a user has on some model or in some organization.

    They are looked up once for each instance of the user, as Django's own permissions are.
    """
    known: dict[str, frozenset[Scope]] = vars(user)
    if "_scopes_anywhere" not in known:
        roles = Membership.objects.filter(user=user.pk).order_by().values_list("role")
        granted = ModelGrant.objects.filter(user=user.pk).order_by().values_list("scope")
        names = [name for (name,) in roles.union(granted)]
        known["_scopes_anywhere"] = frozenset().union(*(_IMPLIED[name] for name in names))
    return known["_scopes_anywhere"]
