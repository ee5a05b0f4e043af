"""Forms of the admin."""

from typing import Any

from django.core.validators import MaxLengthValidator
from unfold.forms import AuthenticationForm

from models_registry.models import User


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """The admin's login, which looks at no user name that nobody can have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].validators.append(MaxLengthValidator(User._meta.get_field("username").max_length or 0))
