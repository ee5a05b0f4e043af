"""Request and response bodies of organizations and members."""

from django.core.validators import validate_slug
from rest_framework import serializers

from models_registry.accounts.models import Membership, Organization
from models_registry.api.fields import NameField, StrictCharField, StrictSerializer, UTCDateTimeField


class OrganizationInput(StrictSerializer):
    """A new organization."""

    slug = StrictCharField(max_length=63, validators=[validate_slug])
    name = NameField()


class OrganizationChanges(StrictSerializer):
    """The fields of an organization that can change."""

    name = NameField(required=False)


class OrganizationSerializer(serializers.Serializer[Organization]):
    """A team that owns models."""

    slug = serializers.SlugField()
    name = serializers.CharField()
    created_at = UTCDateTimeField()


class MemberInput(StrictSerializer):
    """A new member."""

    username = StrictCharField(max_length=150, trim_whitespace=False)
    role = serializers.ChoiceField(Membership.ROLES)


class MemberChanges(StrictSerializer):
    """A new role for a member."""

    role = serializers.ChoiceField(Membership.ROLES)


class MemberSerializer(serializers.Serializer[Membership]):
    """A user's role in an organization."""

    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(Membership.ROLES)
