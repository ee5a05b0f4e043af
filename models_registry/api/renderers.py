"""Forms of responses that are texts for people. The views write the texts themselves."""

from rest_framework.renderers import BaseRenderer


class MarkdownRenderer(BaseRenderer):
    """Markdown, for a README or the comment on a pull request."""

    media_type, format = "text/markdown", "markdown"


class HTMLRenderer(BaseRenderer):
    """A page, for people."""

    media_type, format = "text/html", "html"
