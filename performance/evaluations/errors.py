"""Errors of evaluations."""

from models_registry.api.errors import APIError, InternalError, ThrottledError


class PredictionsRefusedError(APIError):
    """The predictions cannot be scored. `column` and `row`, from 1, say where, if that is known."""

    status_code = 422
    code = "unprocessable_predictions"
    title = "Unprocessable predictions"
    default_detail = "Row 17 has no finite number in the column 'score'. Mend the file, then send it."

    def __init__(self, detail: str = "", *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(detail)
        self.column = column
        self.row = row

    @property
    def members(self) -> dict[str, object]:
        return {"column": self.column, "row": self.row}


class EvaluationAbortedError(InternalError):
    """Several attempts at the evaluation began, and none came to an end."""


class TooManyEvaluationsError(ThrottledError):
    """The organization has as many evaluations queued and running as it may."""

    wait = 30
