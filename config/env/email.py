"""Read the server that sends e-mail."""

from collections.abc import Collection, Mapping

import django
import environ
from django.core.exceptions import ImproperlyConfigured

from config.env.readers import read

TIMEOUT = 10  # seconds that the server may take for each step

_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl", "consolemail")
_OPTIONS = {
    "EMAIL_HOST": "host",
    "EMAIL_PORT": "port",
    "EMAIL_HOST_USER": "username",
    "EMAIL_HOST_PASSWORD": "password",
    "EMAIL_USE_TLS": "use_tls",
    "EMAIL_USE_SSL": "use_ssl",
    "EMAIL_TIMEOUT": "timeout",
}


def email(name: str, *, allowed_hosts: Collection[str]) -> Mapping[str, object]:
    """Return Django's settings of e-mail, in the form of its version, or none without a server."""
    url = read(name)
    if not url:
        return {}
    patterns = [host for host in allowed_hosts if host.startswith(("*", "."))]
    if patterns:  # a stranger could have a link sent that leads the person's token to another host
        raise ImproperlyConfigured(
            f"{name} needs the names of the service in ALLOWED_HOSTS instead of {patterns[0]}, as the links in e-mails "
            "have the host of the request"
        )
    config = _parse(name, url)
    if django.VERSION < (6, 1):
        return config
    options = {option: config[setting] for setting, option in _OPTIONS.items() if setting in config}
    return {"MAILERS": {"default": {"BACKEND": config["EMAIL_BACKEND"], "OPTIONS": options}}}


def _parse(name: str, url: str) -> dict[str, object]:
    try:
        config = environ.Env.email_url_config(url)
        known = url.partition("://")[0] in _SCHEMES and (config["EMAIL_HOST"] or url.startswith("consolemail"))
    except (ValueError, ImproperlyConfigured):
        known = False
    if not known:
        raise ImproperlyConfigured(
            f"{name} is no URL of a mail server; set it to one such as smtp+tls://user:password@mail.example.com:587"
        )
    if url.startswith("consolemail"):
        return {"EMAIL_BACKEND": config["EMAIL_BACKEND"]}
    given = {setting: config[setting] for setting in _OPTIONS if config.get(setting) is not None}
    return {**given, "EMAIL_BACKEND": config["EMAIL_BACKEND"], "EMAIL_TIMEOUT": TIMEOUT}
