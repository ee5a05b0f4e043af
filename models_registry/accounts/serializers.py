"""The bodies of organizations and members."""

from typing import Any

from django.core.validators import validate_slug
from rest_framework import serializers

from models_registry.accounts.models import Membership
from models_registry.api.fields import NameField, StrictSerializer, TextField, UTCSecondsField


class OrganizationInput(StrictSerializer):
    """A new organization."""

    slug = TextField(max_length=63, validators=[validate_slug])
    name = NameField()


class OrganizationChanges(StrictSerializer):
    """What of an organization may change."""

    name = NameField(required=False)


class OrganizationSerializer(serializers.Serializer[Any]):
    """A team that owns models."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    created_at = UTCSecondsField()


class MemberInput(StrictSerializer):
    """A new member."""

    username = TextField(max_length=150, trim_whitespace=False)
    role = serializers.ChoiceField(Membership.ROLES)


class MemberChanges(StrictSerializer):
    """A member's other role."""

    role = serializers.ChoiceField(Membership.ROLES)


class MemberSerializer(serializers.Serializer[Any]):
    """A user's role in an organization."""

    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(Membership.ROLES)
