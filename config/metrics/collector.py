"""What a scrape gets: the counts of the processes, their memory, and what the database says of the queues."""

import logging
import os
from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from config.health import PROBE_ERRORS, run_probe
from config.metrics.processes import memory_by_pid
from performance.evaluations.selectors import EvaluationQueue, evaluation_queue
from performance.jobs.models import Worker
from performance.jobs.querysets import ALIVE_WITHIN
from performance.webhooks.models import WebhookDelivery
from performance.webhooks.querysets import WaitingDeliveries

log = logging.getLogger(__name__)

State = tuple[EvaluationQueue, WaitingDeliveries, list[Worker]]


class ServiceCollector(Collector):
    """Collects everything. If the database cannot be read, only what the processes know."""

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        yield from _counts()
        yield _memory()
        try:
            state = run_probe(_read_state)
        except PROBE_ERRORS as error:
            log.error("The metrics lack what the database says: %s", error or type(error).__name__)
            yield _gauge("database_up", "Whether the database could be read.", 0)
            return
        yield _gauge("database_up", "Whether the database could be read.", 1)
        yield from _database_metrics(*state)


def _counts() -> Iterator[Metric]:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        collector: Collector = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
        return iter(collector.collect())
    return iter(REGISTRY.collect())


def _memory() -> Metric:
    metric = _family("process_memory_bytes", "Resident memory of the processes that serve.", ["pid"])
    for pid, size in memory_by_pid().items():
        metric.add_metric([str(pid)], size)
    return metric


def _read_state() -> State:
    return evaluation_queue(), WebhookDelivery.objects.waiting(), list(Worker.objects.recent())


def _database_metrics(queue: EvaluationQueue, deliveries: WaitingDeliveries, workers: list[Worker]) -> Iterator[Metric]:
    now = timezone.now()
    numbers = _family("evaluations", "Evaluations that have not ended, by state.", ["state"])
    ages = _family("evaluation_oldest_age_seconds", "Age of the oldest evaluation in a state.", ["state"])
    for state, (number, oldest) in queue.unfinished.items():
        numbers.add_metric([state], number)
        ages.add_metric([state], _age(now, oldest))
    ended = _family("evaluations_ended_last_hour", "Evaluations that ended within the last hour, by state.", ["state"])
    for state, number in queue.ended_last_hour.items():
        ended.add_metric([state], number)
    last = _family("evaluation_last_ended_age_seconds", "Time since an evaluation last ended.")
    if queue.last_ended_at:
        last.add_metric([], _age(now, queue.last_ended_at))
    yield from (numbers, ages, ended, last)
    yield _gauge("webhook_messages_waiting", "Messages to webhooks that have not ended.", deliveries.number)
    yield _gauge(
        "webhook_oldest_due_age_seconds",
        "How long the message that has been due for longest has waited.",
        _age(now, deliveries.due_since),
    )
    yield from _worker_metrics(workers)


def _worker_metrics(workers: list[Worker]) -> Iterator[Metric]:
    beats = _family("worker_heartbeat_age_seconds", "Time since a worker last reported.", ["worker"])
    memory = _family("worker_memory_bytes", "Resident memory of a worker.", ["worker"])
    for worker in workers:
        beats.add_metric([str(worker)], _age(worker.now, worker.seen_at))
        if worker.memory_bytes is not None:
            memory.add_metric([str(worker)], worker.memory_bytes)
    alive = sum(worker.now - worker.seen_at < ALIVE_WITHIN for worker in workers)
    yield from (_gauge("workers_alive", "Workers that reported within the last minute.", alive), beats, memory)


def _family(name: str, description: str, labels: list[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"registry_{name}", description, labels=labels or [])


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"registry_{name}", description, value=value)


def _age(now: datetime, since: datetime | None) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
