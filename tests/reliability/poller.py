"""Ask a server light questions at a steady pace, in a process of its own, and print how long each answer took.

Standard input has one JSON document: `port`, `seconds` and `probes`, which map a name to a `path` and `headers`.
Standard output gets another: the `latencies` of each probe in seconds, and its `failures`, the answers other than 200.

A latency counts from the moment at which the question is due. So a server that stops for ten seconds is slow for all
the questions of these ten seconds, not for the one that happened to be under way.
"""

import json
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

RATE = 20  # questions a second of each probe
CONNECTIONS = 4  # of each probe, kept open, as the server's processes share new connections out between them
TIMEOUT = 10  # seconds, after which a question counts as failed


@dataclass
class Probe:
    """A light question and what became of it."""

    path: str
    headers: Mapping[str, str]
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ask(self, port: int, begin: float, seconds: float, offset: float) -> None:
        """Ask on one connection, each question when it is due or as soon as possible after.

        When the time is over, the questions that could not be asked count as answered then, which is too good for them.
        """
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        interval = CONNECTIONS / RATE
        for number in range(round(seconds / interval)):
            due = begin + offset + number * interval
            time.sleep(max(0.0, due - time.monotonic()))
            is_over = time.monotonic() > begin + seconds
            outcome = None if is_over else self._outcome(connection)
            self.latencies.append(time.monotonic() - due)
            if outcome and outcome != "200":
                self.failures.append(outcome)
        connection.close()

    def _outcome(self, connection: HTTPConnection) -> str:
        try:
            connection.request("GET", self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            return type(error).__name__
        return str(answer.status)


def poll(port: int, seconds: float, probes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ask all questions for a while; return the latencies and the failures of each."""
    asked = {name: Probe(**probe) for name, probe in probes.items()}
    begin = time.monotonic()
    with ThreadPoolExecutor(len(asked) * CONNECTIONS) as threads:
        under_way = [
            threads.submit(probe.ask, port, begin, seconds, number / RATE)
            for probe in asked.values()
            for number in range(CONNECTIONS)
        ]
    for one in under_way:
        one.result()
    return {name: {"latencies": probe.latencies, "failures": probe.failures} for name, probe in asked.items()}


if __name__ == "__main__":
    json.dump(poll(**json.load(sys.stdin)), sys.stdout)
