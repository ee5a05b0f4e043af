"""The rules that the tests of gates start from."""

ACCURACY_AT_LEAST = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
ACCURACY_LIMIT = {"metric": "accuracy", "max_regression": 0.01}
LOG_LOSS_LIMIT = {"metric": "log_loss", "max_regression": 0.01, "relative": False}
