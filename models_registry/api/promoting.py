"""What promoting a version and rolling a model back have in common."""

from collections.abc import Callable

from django.db import transaction
from django.http import HttpResponse

from models_registry.api.base import RegistryViewSet
from models_registry.api.registry_serializers import PromotionInput
from models_registry.exceptions import GateFailedError
from models_registry.scopes import Scope


class PromotingViewSet(RegistryViewSet):
    """A gate may refuse a promotion, and an admin may overrule it."""

    @property
    def scope(self) -> Scope:
        """The scope that the action needs: overruling a gate is for admins, which the body decides."""
        overrules = self.inputs.get(self.action) is PromotionInput and self.body.get("override")
        return Scope.ORGANIZATION_ADMIN if overrules else super().scope

    def judged_once(self, work: Callable[[], HttpResponse]) -> HttpResponse:
        """Answer as `once` does. A gate's refusal is an answer as well: its verdict is kept, and so is the answer."""

        def judged() -> HttpResponse:
            try:
                with transaction.atomic():
                    return work()
            except GateFailedError as refusal:
                refusal.keep(self.account)
                return self.handle_exception(refusal)

        return self.once(judged)
