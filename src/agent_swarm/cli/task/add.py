"""`agent-swarm task add`."""

from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import Duration, Labels, Moment, Priority, json_option, with_client
from agent_swarm.cli.output import print_json, say, status_text
from agent_swarm.cli.text import printable
from agent_swarm.domain.dependencies import OnFailure
from agent_swarm.domain.errors import TooLarge
from agent_swarm.domain.recording import TAG
from agent_swarm.protocol.limits import PROMPT_BYTES

CAPABILITY_FAMILIES = ("harness.", "sandbox.", "role.", "host.", "tool.")


@click.command()
@click.argument("prompt", required=False)
@click.option("--file", "-f", metavar="FILE", help="Read the prompt from FILE; - is standard input.")
@click.option("--title", help="Default: the first line of the prompt.")
@click.option(
    "--tags", "-t", multiple=True, type=Labels(), help="What it is about, as a,b; agents that fit come first."
)
@click.option(
    "--needs",
    multiple=True,
    type=Labels(),
    help="What its worker must have, as a,b: tags, or capabilities such as harness.script or sandbox.*.",
)
@click.option("--priority", "-p", type=Priority(), metavar="PRIORITY", help="0 to 100, or urgent, high, medium, low.")
@click.option("--project", metavar="REPO", help="The repository to work on: a name of `agent-swarm repo ls`.")
@click.option("--swarm", metavar="NAME", help="Only agents of this swarm may run it.")
@click.option("--harness", help="The agent CLI, or with those that may go on: claude,codex. Default: the worker's.")
@click.option("--model", help="The model for it.")
@click.option(
    "--depends-on",
    multiple=True,
    metavar="ID[:fail|skip|wait]",
    help="Start after this task completed; if it does not: fail too (default), be skipped, or wait on.",
)
@click.option("--agent", metavar="AGENT", help="Only this agent may run it: name or id.")
@click.option("--offer-to", metavar="AGENT", help="Ask this agent first; if it does not take it, all may.")
@click.option("--offer-for", type=Duration(), metavar="SPAN", help="How long it may think about it; default 60s.")
@click.option("--parent", metavar="ID", help="The task that this one is part of.")
@click.option("--timeout", type=Duration(), metavar="SPAN", help="Longest time for one attempt, such as 30m.")
@click.option("--start-at", type=Moment(), metavar="TIME", help="Not before: 2026-11-20T18:00:00Z, or 18:00 here.")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Tries before a failure is final; default 3.")
@click.option("--permissions", metavar="PROFILE", help="What its agent may do, such as read-only or offline.")
@click.option("--result-schema", metavar="FILE", help="JSON Schema that its result has to match; - is standard input.")
@click.option("--with-results", is_flag=True, help="End its prompt with what the tasks it depends on came to.")
@click.option("--budget-usd", type=click.FloatRange(min=0, min_open=True), help="What it, and all below it, may cost.")
@click.option("--budget-tokens", type=click.IntRange(min=1), help="The same in tokens.")
@click.option("--budget-attempts", type=click.IntRange(min=1), help="How many attempts at these may begin.")
@click.option("--budget-at-once", type=click.IntRange(min=1), help="How many attempts at these may run at a time.")
@click.option(
    "--on",
    multiple=True,
    metavar="EVENTS=ACTION",
    help="When it has completed, failed or was cancelled: task:PROMPT, message:WHOM:TEXT or webhook:URL.",
)
@click.option("--webhook-secret", metavar="REF", help="Where the secret of --on …=webhook is, such as ref:env://NAME.")
@click.option("--record", is_flag=True, help="Keep what its agent and its model say, to be replayed: the tag record.")
@click.option("--backlog", is_flag=True, help="Put it aside: nobody takes it until `task promote`.")
@click.option("--wait", is_flag=True, help="Follow it to its end; exit 0 if it completed, 1 if not.")
@click.option("--quiet", "-q", is_flag=True, help="Print the id alone.")
@json_option
@with_client
def add(client: Client, /, *, wait: bool, quiet: bool, as_json: bool, **given: Any) -> int:
    """File a task.

    \b
    Examples:
      agent-swarm task add "Fix the flaky login test" --project shop --wait
      agent-swarm task add --file prompt.md --needs gpu,harness.script --priority high
      id=$(agent-swarm task add -q "Build the docs")
      agent-swarm task add "Publish the docs" --depends-on $id:skip
      agent-swarm task add "Deploy" --on "failed=message:filer:The deployment failed" --on "completed=task:Test it"
    """
    task = client.create("/api/tasks", task_input(client, **given))
    if wait:
        from agent_swarm.cli.task.waiting import wait_for

        return wait_for(client, [task], as_json=as_json, quiet=quiet)
    if as_json:
        print_json(task)
    elif quiet:
        say(task["id"])
    else:
        say(f"{task['id']}  {status_text(task['status'])}  {printable(task['title'])}")
    return 0


def task_input(
    client: Client,
    *,
    prompt: str | None,
    file: str | None,
    depends_on: tuple[str, ...],
    agent: str | None,
    parent: str | None,
    offer_to: str | None = None,
    result_schema: str | None = None,
    on: tuple[str, ...] = (),
    webhook_secret: str | None = None,
    needs: tuple[tuple[str, ...], ...],
    tags: tuple[tuple[str, ...], ...],
    **others: object,
) -> Json:
    """The body of `POST /api/tasks` that the flags mean; only what was given is in it."""
    body: Json = {
        "prompt": prompt_of(prompt, file),
        "tags": [*(label for labels in tags for label in labels), *((TAG,) if others.pop("record", False) else ())],
        "requires": requirements([label for labels in needs for label in labels]),
        "dependsOn": dependencies(client, depends_on),
        "agentId": _agent_id(client, agent),
        **_offer(client, offer_to, others.pop("offer_for", None)),
        "resultSchema": _schema(result_schema),
        "includeResults": others.pop("with_results", None),
        "budget": _budget(others),
        "parentTaskId": _task_id(client, parent),
        "triggers": _triggers(on, webhook_secret),
        "timeoutSeconds": others.pop("timeout"),
        "startAt": others.pop("start_at"),
        "maxAttempts": others.pop("max_attempts"),
        **others,
    }
    return {
        name: value
        for name, value in body.items()
        if value is not None and value is not False and value not in ([], {})
    }


def prompt_of(prompt: str | None, file: str | None) -> str:
    """The prompt, from wherever it was given; raises UsageError unless it came exactly once and says something."""
    if (prompt is None) == (file is None):
        raise click.UsageError("give the prompt as an argument, or a file with --file", click.get_current_context())
    if file is not None:
        from agent_swarm.cli.task.files import read_text

        prompt = read_text(file, what="prompt")
    if not (prompt or "").strip():
        raise click.UsageError("the prompt is empty", click.get_current_context())
    if (size := len((prompt or "").encode("utf-8", "surrogateescape"))) > PROMPT_BYTES:
        raise TooLarge(
            f"the prompt has {size:,} bytes, at most {PROMPT_BYTES:,} are taken",
            hint="put the material into the repository and name the file in the prompt",
        )
    return prompt or ""


def requirements(needs: list[str]) -> dict[str, list[str]]:
    """`--needs` as the hard requirements it means: a first segment that is a capability family makes it a pattern."""
    capabilities = [need for need in needs if need.startswith(CAPABILITY_FAMILIES)]
    tags = [need for need in needs if need not in capabilities]
    return {name: found for name, found in (("tags", tags), ("capabilities", capabilities)) if found}


def dependencies(client: Client, texts: tuple[str, ...]) -> list[Json]:
    """`ID[:fail|skip|wait]` as edges."""
    if not texts:
        return []
    from agent_swarm.cli.task.ids import task_ids

    split = [text.partition(":") for text in texts]
    for text, (_, separator, policy) in zip(texts, split, strict=True):
        if separator and policy not in list(OnFailure):
            raise click.BadParameter(f"{text!r} does not end in {', '.join(OnFailure)}", param_hint="--depends-on")
    ids = task_ids(client, [identifier for identifier, _, _ in split])
    return [
        {"task": identifier, "onFailure": policy or str(OnFailure.FAIL)}
        for identifier, (_, _, policy) in zip(ids, split, strict=True)
    ]


def _budget(given: dict[str, object]) -> Json:
    """What the flags of a budget say; they are taken out of `given`."""
    flags = (("usd", "usd"), ("tokens", "tokens"), ("attempts", "attempts"), ("at_once", "atOnce"))
    return {wire: value for flag, wire in flags if (value := given.pop(f"budget_{flag}", None)) is not None}


def _schema(path: str | None) -> Json | None:
    """The JSON object in a file."""
    if path is None:
        return None
    import json

    from agent_swarm.cli.task.files import read_text

    try:
        schema = json.loads(read_text(path, what="result schema"))
    except ValueError as exc:
        raise click.BadParameter(f"{path} is not JSON: {exc}", param_hint="--result-schema") from exc
    if not isinstance(schema, dict):
        raise click.BadParameter(f"{path} is no JSON object", param_hint="--result-schema")
    return schema


def _triggers(texts: tuple[str, ...], secret: str | None) -> list[Json]:
    from agent_swarm.cli.trigger.actions import triggers_of

    return triggers_of(texts, secret) if texts or secret is not None else []


def _offer(client: Client, offer_to: str | None, offer_for: object) -> Json:
    if offer_to is None and offer_for is not None:
        raise click.UsageError("--offer-for goes with --offer-to", click.get_current_context())
    return {"offerTo": _agent_id(client, offer_to), "offerSeconds": offer_for}


def _agent_id(client: Client, text: str | None) -> str | None:
    from agent_swarm.cli.task.ids import agent_id

    return None if text is None else agent_id(client, text)


def _task_id(client: Client, text: str | None) -> str | None:
    from agent_swarm.cli.task.ids import task_id

    return None if text is None else task_id(client, text)
