"""Forms with a file, as they are sent over HTTP."""

BOUNDARY = "the-boundary"


def multipart(*, file: str, **fields: str) -> str:
    """Return a form with a file, as it is sent."""
    parts = [f'form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts.append(f'form-data; name="file"; filename="predictions.csv"\r\n\r\n{file}')
    return "".join(f"--{BOUNDARY}\r\nContent-Disposition: {part}\r\n" for part in parts) + f"--{BOUNDARY}--\r\n"
