"""Read all runs and registered versions with MLflow's own client, and print them as JSON. Runs where MLflow is."""

import json
import sys

import mlflow


def read(uri: str) -> dict[str, object]:
    """Return the experiments, with their runs by name, and the registered models of a tracking server."""
    client = mlflow.MlflowClient(uri, uri)
    experiments = {each.name: each.experiment_id for each in client.search_experiments()}
    runs = {name: client.search_runs([key]) for name, key in experiments.items()}
    return {
        "runs": {name: {run.info.run_name: describe(run) for run in found} for name, found in runs.items() if found},
        "counts": {name: len(found) for name, found in runs.items() if found},
        "registered": {
            each.name: {
                "aliases": each.aliases,
                "versions": {
                    version.run_id: [version.version, version.source]
                    for version in client.search_model_versions(f"name='{each.name}'")
                },
            }
            for each in client.search_registered_models()
        },
    }


def describe(run: mlflow.entities.Run) -> dict[str, object]:
    """Return what a run holds."""
    return {
        "run_id": run.info.run_id,
        "status": run.info.status,
        "metrics": run.data.metrics,
        "params": run.data.params,
        "tags": run.data.tags,
        "datasets": [
            [each.dataset.name, each.dataset.digest, each.tags[0].value] for each in run.inputs.dataset_inputs
        ],
    }


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
