"""Identity tokens of other issuers (OpenID Connect)."""
