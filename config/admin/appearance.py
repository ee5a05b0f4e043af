"""The appearance of the admin: its titles, and the pages that its sidebar lists."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _page(title: str, icon: str, model: str) -> dict[str, object]:
    """Return the sidebar's link to the list of a model."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "model": model,  # whose page decides who sees the link
    }


def account_links(request: HttpRequest) -> list[dict[str, object]]:
    """Return the links of the caller's menu. Who has no password cannot change it."""
    links: list[dict[str, object]] = [{"title": "Two-factor login", "link": reverse_lazy("mfa_index")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": "Change password", "link": reverse_lazy("admin:password_change")})
    return links


UNFOLD = {
    "SITE_TITLE": "Model Performance Registry",
    "SITE_HEADER": "Model Performance",
    "SITE_SUBHEADER": "Registry",
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("models_registry/favicon.svg")}
    ],
    "STYLES": [lambda request: static("models_registry/admin.css")],
    "SCRIPTS": [lambda request: static("models_registry/admin.js")],
    "SITE_URL": reverse_lazy("docs"),
    "ACCOUNT": {"navigation": account_links},
    "DASHBOARD_CALLBACK": "performance.overview.start_page.start_page_context",
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Performance",
                "items": [
                    _page("Snapshots", "query_stats", "performance.metricsnapshot"),
                    _page("Datasets", "dataset", "performance.dataset"),
                    _page("Evaluations", "calculate", "performance.evaluationjob"),
                    _page("Gate policies", "policy", "performance.gatepolicy"),
                    _page("Gate verdicts", "gavel", "performance.gateverdict"),
                    _page("Badges", "shield", "performance.badge"),
                ],
            },
            {
                "title": "Registry",
                "items": [
                    _page("Organizations", "apartment", "models_registry.organization"),
                    _page("Models", "deployed_code", "models_registry.registeredmodel"),
                    _page("Versions", "layers", "models_registry.version"),
                    _page("Promotions", "verified", "models_registry.promotion"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _page("My tokens", "vpn_key", "models_registry.personaltoken"),
                    _page("Users", "person", "models_registry.user"),
                    _page("Groups", "group", "auth.group"),
                    _page("Grants", "key", "models_registry.modelgrant"),
                    _page("Logins", "login", "models_registry.tokenfamily"),
                    _page("Failed logins", "lock", "axes.accessattempt"),
                    _page("Second factors", "phonelink_lock", "mfa.authenticator"),
                    _page("OpenID identities", "badge", "socialaccount.socialaccount"),
                    _page("Audit trail", "history", "models_registry.auditentry"),
                ],
            },
            {
                "title": "Pipelines",
                "items": [
                    _page("Service accounts", "smart_toy", "models_registry.serviceaccount"),
                    _page("Tokens", "vpn_key", "models_registry.namedtoken"),
                    _page("Trusted issuers", "handshake", "models_registry.trustedissuer"),
                    _page("Trust rules", "rule", "models_registry.trustrule"),
                    _page("Webhooks", "webhook", "performance.webhook"),
                    _page("Deliveries", "outgoing_mail", "performance.webhookdelivery"),
                ],
            },
        ]
    },
}
