"""Renderers of other formats than JSON. The views write the texts themselves."""

from rest_framework.renderers import BaseRenderer


class MarkdownRenderer(BaseRenderer):
    """Markdown, for a README or the comment on a pull request."""

    media_type, format = "text/markdown", "markdown"


class HTMLRenderer(BaseRenderer):
    """A page, for people."""

    media_type, format = "text/html", "html"


class CSVRenderer(BaseRenderer):
    """A table, for spreadsheets and data frames."""

    media_type, format = "text/csv", "csv"
