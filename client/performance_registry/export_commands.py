"""The commands that export to other tools."""

from __future__ import annotations

from typing import Annotated

import typer

from performance_registry.console import AsJson, ModelName, app, open_registry, show
from performance_registry.tables import print_line

export = typer.Typer(no_args_is_help=True, help="Export to other tools.")
app.add_typer(export, name="export")


@export.command("mlflow")
def export_to_mlflow(
    model: ModelName,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Such as ver-001a1.")] = None,
    all_versions: Annotated[bool, typer.Option("--all", help="Export all versions.")] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URL", help="The tracking server; by default MLFLOW_TRACKING_URI.")
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Also register the completed versions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export a version to a tracking server of MLflow, as a run. Doing it again updates the run.

    The server's login is in MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    if all_versions == bool(version):
        raise typer.BadParameter("Name a version, or give --all.", param_hint="VERSION")
    with open_registry(as_json) as registry:
        found = registry.model(model).export_to_mlflow(version, tracking_uri=tracking_uri, register=register)
        show(found, lambda found: print_line(str(found)), as_json)
