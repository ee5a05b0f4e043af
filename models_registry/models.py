"""The tables of the registry, gathered for Django to find."""

from models_registry.accounts.models import Membership as Membership
from models_registry.accounts.models import ModelGrant as ModelGrant
from models_registry.accounts.models import Organization as Organization
from models_registry.accounts.models import ServiceAccount as ServiceAccount
from models_registry.accounts.models import User as User
from models_registry.api.models import IdempotencyKey as IdempotencyKey
from models_registry.audit.models import AuditEntry as AuditEntry
from models_registry.registry.models import Promotion as Promotion
from models_registry.registry.models import RegisteredModel as RegisteredModel
from models_registry.registry.models import Version as Version
from models_registry.tokens.models import NamedToken as NamedToken
from models_registry.tokens.models import PersonalToken as PersonalToken
from models_registry.tokens.models import TokenFamily as TokenFamily
from models_registry.tokens.models import TrustedIssuer as TrustedIssuer
from models_registry.tokens.models import TrustRule as TrustRule
