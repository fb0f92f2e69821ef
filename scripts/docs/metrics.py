"""`docs/reference/metrics.md`: every figure on the Prometheus page."""

from prometheus_client.core import Metric
from scripts.docs.markdown import block, code, page, table

from agent_swarm.server.metrics import Metrics

INTRODUCTION = f"""
`GET /metrics` answers them in Prometheus's text format, to an operator's token that may `metrics:read`:

{block('curl -H "Authorization: Bearer $API_KEY" http://127.0.0.1:3013/metrics', "sh")}

A counter begins anew when the server is started. Numbers of tasks and agents are those of the whole swarm, whichever
server is asked; all else is of the server that answers. What is worth an alarm is told in [operating](../operating.md).
"""


def render() -> str:
    """The page."""
    figures = [(code(_shown(family)), family.type, family.documentation) for family in Metrics().families()]
    return page(
        "Metrics", INTRODUCTION, table(("Figure", "Kind", "Meaning"), sorted(figures)), source="`server/metrics.py`"
    )


def _shown(family: Metric) -> str:
    """As it is called on the page that is scraped."""
    return f"{family.name}_total" if family.type == "counter" else family.name
