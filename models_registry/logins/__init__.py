"""How people log in to the admin: with a password and a second factor, or with an OpenID provider."""
