import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import models_registry.tokens.oidc.validators


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("models_registry", "0005_audit_trail_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="TrustedIssuer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "issuer",
                    models.CharField(
                        help_text="What its tokens have as <code>iss</code>, such as https://token.actions.githubusercontent.com",
                        max_length=255,
                        unique=True,
                        validators=[models_registry.tokens.oidc.validators.validate_provider_url],
                    ),
                ),
                (
                    "jwks_url",
                    models.CharField(
                        help_text="Where its keys are: <code>jwks_uri</code> in its /.well-known/openid-configuration",
                        max_length=255,
                        validators=[models_registry.tokens.oidc.validators.validate_provider_url],
                        verbose_name="JWKS URL",
                    ),
                ),
                (
                    "audience",
                    models.CharField(
                        help_text="What its tokens must have as <code>aud</code>: this service's URL, as pipelines ask for it.",
                        max_length=255,
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "trusted issuer",
            },
        ),
        migrations.CreateModel(
            name="TrustRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                (
                    "claims",
                    models.JSONField(
                        help_text='What a token must claim, such as {"repository": "acme/churn", "ref": "refs/heads/*"}: <code>*</code> stands for any characters.',
                        validators=[models_registry.tokens.oidc.validators.validate_patterns],
                    ),
                ),
                ("scopes", models.JSONField(validators=[models_registry.tokens.oidc.validators.validate_scopes])),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "trust rule",
            },
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[],
            options={
                "verbose_name": "service account",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("models_registry.user",),
        ),
        migrations.AddField(
            model_name="user",
            name="is_service_account",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="For a pipeline: it cannot log in, and works with tokens that an operator or a trusted issuer makes.",
                verbose_name="service account",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_service_account", False),
                    models.Q(("is_staff", False), ("is_superuser", False)),
                    _connector="OR",
                ),
                name="service_account_not_staff",
                violation_error_message="A service account can be neither staff nor superuser.",
            ),
        ),
        migrations.AddField(
            model_name="trustrule",
            name="issuer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rules",
                to="models_registry.trustedissuer",
            ),
        ),
        migrations.AddField(
            model_name="trustrule",
            name="service_account",
            field=models.ForeignKey(
                limit_choices_to={"is_service_account": True},
                on_delete=django.db.models.deletion.CASCADE,
                related_name="trust_rules",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="trustrule",
            index=models.Index(fields=["issuer", "id"], name="trust_rules_of_issuer"),
        ),
    ]
