"""What the server counts, in a registry of its own: two servers in one process do not mix their figures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent_swarm.bus.base import BusFigures

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class WithoutAgent:
    """What waits for an agent that is not there: totals, because requirements are words of others, and many."""

    tasks: int = 0
    classes: int = 0
    seconds: float = 0.0


class Metrics:
    """Counters of the HTTP face. Labels are route patterns and other words of ours, so that their number is bounded.

    `bus` answers how the bus to other servers fares.
    """

    def __init__(self, bus: Callable[[], BusFigures] = BusFigures) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_Bus(bus))
        self._requests = Counter(
            "agent_swarm_http_requests", "Answered requests.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "agent_swarm_http_request_seconds",
            "Time to the end of the answer; long polls and streams included.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "agent_swarm_http_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self.denials = Counter(
            "agent_swarm_denials", "Requests refused for who asked.", ("reason",), registry=self.registry
        )
        self.streams = Gauge("agent_swarm_event_streams", "Open event streams.", registry=self.registry)
        self.resets = Counter(
            "agent_swarm_event_stream_resets", "Streams that were too far behind.", registry=self.registry
        )
        self.timers = Counter("agent_swarm_timers", "Timers carried out.", registry=self.registry)
        self._embeddings = Counter(
            "agent_swarm_embedding_requests", "Questions to the embedding model.", ("outcome",), registry=self.registry
        )
        self._budgets = _budget_steps(self.registry)
        self._add_those_of_schedules()
        self._add_those_of_triggers()
        self._add_those_of_the_kill_switch()
        self._cells: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _add_those_of_schedules(self) -> None:
        self.schedule_runs = Counter(
            "agent_swarm_schedule_runs",
            "Instants of schedules that this server took care of, by what became of them.",
            ("outcome",),
            registry=self.registry,
        )
        self.schedule_lateness = Histogram(
            "agent_swarm_schedule_lateness_seconds",
            "How long after its instant a run began.",
            buckets=(*_BUCKETS, 600.0, 3600.0),
            registry=self.registry,
        )

    def _add_those_of_the_kill_switch(self) -> None:
        self.kills = Counter(
            "agent_swarm_kill_switch_activations",
            "Times the kill switch was turned on while this server ran.",
            ("scope",),
            registry=self.registry,
        )
        self.killed = Gauge(
            "agent_swarm_kill_switch_killed", "Switches that are on.", ("scope",), registry=self.registry
        )
        self.killed_requests = Counter(
            "agent_swarm_kill_switch_refusals", "Requests refused because of it.", registry=self.registry
        )
        self.flag_readings = Counter(
            "agent_swarm_kill_flag_readings",
            "Looks at the flags of the kill switch, by what was found.",
            ("flag", "found"),
            registry=self.registry,
        )

    def _add_those_of_triggers(self) -> None:
        self.trigger_firings = Counter(
            "agent_swarm_trigger_firings",
            "What became of firings of triggers that this server looked after; `again` are tries that failed.",
            ("action", "outcome"),
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "agent_swarm_webhook_seconds",
            "How long a try of a webhook took.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def count_embedding(self, is_answered: bool) -> None:
        """Count one question to the embedding model."""
        self._embeddings.labels("answered" if is_answered else "failed").inc()

    def count_budgets(self, *, woken: int, interrupted: int, failed: int) -> None:
        """Count what a budget had done to tasks."""
        for step, number in (("letGoOn", woken), ("interrupted", interrupted), ("failed", failed)):
            self._budgets.labels(step).inc(number)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method if method in _METHODS else "other", route, status)
        cells = self._cells.get(key)
        if cells is None:
            cells = self._cells[key] = (self._requests.labels(*map(str, key)), self._seconds.labels(route))
        cells[0].inc()
        cells[1].observe(seconds)

    def page(self, state: Mapping[str, Mapping[str, int]], without_agent: WithoutAgent) -> bytes:
        """The Prometheus page. `state` holds numbers of things by status, as they are now."""
        now = CollectorRegistry(auto_describe=False)
        now.register(_State(state, without_agent))
        return generate_latest(self.registry) + generate_latest(now)

    def families(self) -> Iterable[Metric]:
        """Every figure there is, with its help."""
        yield from self.registry.collect()
        yield from _State({"tasks": {}, "agents": {}}, WithoutAgent()).collect()


def _budget_steps(registry: CollectorRegistry) -> Counter:
    """The counter of what budgets did, with each step at 0."""
    counter = Counter(
        "agent_swarm_budget_steps",
        "Tasks that budgets had interrupted, failed for want of money, or let go on.",
        ("step",),
        registry=registry,
    )
    for step in ("interrupted", "failed", "letGoOn"):
        counter.labels(step)
    return counter


class _State(Collector):
    """Numbers that are read from the store when the page is asked for."""

    def __init__(self, state: Mapping[str, Mapping[str, int]], without_agent: WithoutAgent) -> None:
        self._state = state
        self._without_agent = without_agent

    def collect(self) -> Iterable[Metric]:
        """One gauge per kind of thing."""
        for kind, numbers in self._state.items():
            family = GaugeMetricFamily(f"agent_swarm_{kind}", f"Number of {kind} by status.", labels=["status"])
            for status, number in numbers.items():
                family.add_metric([status], number)
            yield family
        nobody = self._without_agent
        for name, text, value in (
            (
                "agent_swarm_tasks_without_agent",
                "Claimable tasks that no agent online could take, for minutes.",
                nobody.tasks,
            ),
            ("agent_swarm_classes_without_agent", "Different requirements of these tasks.", nobody.classes),
            (
                "agent_swarm_without_agent_seconds",
                "How long the first of these requirements has had nobody.",
                nobody.seconds,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)


class _Bus(Collector):
    """What the bus counts for itself; 0 for a server that is alone."""

    def __init__(self, figures: Callable[[], BusFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """One family per figure."""
        bus = self._figures()
        yield GaugeMetricFamily(
            "agent_swarm_bus_waiting", "Notices to other servers that wait to be sent.", bus.waiting
        )
        for name, text, value in (
            ("agent_swarm_bus_dropped", "Notices that were never sent: the others' sweeps find it later.", bus.dropped),
            ("agent_swarm_bus_merged", "Notices of commits that a later notice stood in for.", bus.merged),
            ("agent_swarm_bus_unreadable", "Notices of others that this version does not understand.", bus.unreadable),
            ("agent_swarm_bus_outages", "Times the way to the other servers was lost.", bus.outages),
        ):
            yield CounterMetricFamily(name, text, value)
