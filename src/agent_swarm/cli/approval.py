"""`agent-swarm approval`: what agents ask, and answering it."""

import shlex
from typing import Any

import click

from agent_swarm.cli.client import Client, Json
from agent_swarm.cli.options import json_option, with_client
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import age, one_line, printable, short_id
from agent_swarm.domain.approvals import ApprovalStatus, QuestionKind

WAIT_SECONDS = 20  # below the server's long poll of 25 s
_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}

approval_argument = click.argument("approval_id", metavar="ID")
comment_option = click.option("--comment", default="", help="What else the agent should know.")


@click.group()
def approval() -> None:
    """Answer what agents ask.

    The first answer counts. What nobody answers in time counts as denied.

    \b
    Example:
      agent-swarm approval list
    """


@approval.command("list")
@click.option(
    "--status",
    type=click.Choice([status.value for status in ApprovalStatus]),
    default="open",
    show_default=True,
    help="Which ones.",
)
@json_option
@with_client
def list_(client: Client, *, status: str, as_json: bool) -> None:
    """List what waits for an answer, what runs out first at the top.

    \b
    Examples:
      agent-swarm approval list
      agent-swarm approval list --status expired
    """
    found = [one for page in client.pages("/api/approvals", {"status": status}) for one in page["approvals"]]
    if as_json:
        print_json({"approvals": found, "nextCursor": None})
        return
    rows = [
        (
            one["id"],
            short_id(one["taskId"]),
            f"{age(one['askedAt'])} ago",
            one["expiresAt"],
            one["title"],
        )
        for one in found
    ]
    print_table(("ID", "TASK", "ASKED", "EXPIRES", "TITLE"), rows, empty=f"nothing is {status}")


@approval.command("show")
@approval_argument
@click.option("--wait", is_flag=True, help="Wait until it is answered, denied or over, and show that.")
@json_option
@with_client
def show(client: Client, *, approval_id: str, wait: bool, as_json: bool) -> None:
    """Show what is asked, and how to answer.

    \b
    Examples:
      agent-swarm approval show 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
      agent-swarm approval show 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17 --wait --json
    """
    path = f"/api/approvals/{approval_id}"
    found = client.get(path, {"waitSeconds": WAIT_SECONDS} if wait else None)
    while wait and found["status"] == ApprovalStatus.OPEN:
        found = client.get(path, {"waitSeconds": WAIT_SECONDS})
    if as_json:
        print_json(found)
        return
    say(f"{printable(found['title'])}  ({found['status']})")
    say(f"task {found['taskId']}, attempt {found['attempt']}, asked {age(found['askedAt'])} ago")
    if found["details"]:
        say(f"\n{printable(found['details'])}")
    for question in found["questions"]:
        expected = " | ".join(question["choices"]) or {"text": "a text", "yesNo": "yes | no"}[question["kind"]]
        answered = found["answers"].get(question["id"])
        given = "" if answered is None else f"  → {printable(_plain(answered))}"
        say(f"\n{question['id']}: {printable(question['text'])}\n    {printable(expected)}{given}")
    if found["comment"]:
        say(f"\ncomment: {printable(found['comment'])}")
    if found["status"] == ApprovalStatus.OPEN:
        say(f"\ncounts as denied from {found['expiresAt']} on; answer it with:", to_errors=True)
        say(f"  {_command(found)}", to_errors=True)


@approval.command("answer")
@approval_argument
@click.argument("answers", nargs=-1, metavar="[QUESTION=ANSWER]...")
@comment_option
@json_option
@with_client
def answer(client: Client, *, approval_id: str, answers: tuple[str, ...], comment: str, as_json: bool) -> None:
    """Answer every question by its id. Without answers it approves, where nothing but a yes is asked for.

    \b
    Examples:
      agent-swarm approval answer 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
      agent-swarm approval answer 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17 q1=yes region=eu --comment "after 18:00"
    """
    asked = client.get(f"/api/approvals/{approval_id}")
    kinds = {question["id"]: question["kind"] for question in asked["questions"]}
    given = dict(_answer(text, kinds) for text in answers) if answers else _yes(asked)
    settled = client.post(f"/api/approvals/{approval_id}/answer", {"answers": given, "comment": comment})
    _tell(settled, as_json=as_json)


@approval.command("approve")
@approval_argument
@comment_option
@json_option
@with_client
def approve(client: Client, *, approval_id: str, comment: str, as_json: bool) -> None:
    """Say yes, where nothing else is asked for.

    \b
    Example:
      agent-swarm approval approve 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17
    """
    given = _yes(client.get(f"/api/approvals/{approval_id}"))
    settled = client.post(f"/api/approvals/{approval_id}/answer", {"answers": given, "comment": comment})
    _tell(settled, as_json=as_json)


@approval.command("deny")
@approval_argument
@comment_option
@json_option
@with_client
def deny(client: Client, *, approval_id: str, comment: str, as_json: bool) -> None:
    """Say no.

    \b
    Example:
      agent-swarm approval deny 0190f3c2-7d51-7a3e-9d55-3f2a91bc0d17 --comment "not on a Friday"
    """
    settled = client.post(f"/api/approvals/{approval_id}/answer", {"deny": True, "comment": comment})
    _tell(settled, as_json=as_json)


def _answer(text: str, kinds: dict[str, str]) -> tuple[str, Any]:
    question, equals, said = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} is no answer: give QUESTION=ANSWER; see agent-swarm approval show")
    if kinds.get(question) != QuestionKind.YES_NO:
        return question, said
    if said.lower() not in _YES:
        raise click.UsageError(f"{question} wants yes or no, not {said!r}")
    return question, _YES[said.lower()]


def _yes(asked: Json) -> dict[str, Any]:
    """The answers that a plain yes means; raises UsageError where it does not say enough."""
    questions = asked["questions"]
    if not questions:
        return {}
    if len(questions) > 1 or questions[0]["kind"] != QuestionKind.YES_NO:
        raise click.UsageError(f"more than a yes is asked for; answer with: {_command(asked)}")
    return {questions[0]["id"]: True}


def _command(asked: Json) -> str:
    """The command that answers, with an example for each question."""
    answers = (f"{question['id']}={_example(question)}" for question in asked["questions"])
    return printable(" ".join(["agent-swarm approval answer", asked["id"], *answers]))


def _example(question: Json) -> str:
    if question["choices"]:
        return shlex.quote(question["choices"][0])
    return "yes" if question["kind"] == QuestionKind.YES_NO else "…"


def _plain(answer: Any) -> str:
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else one_line(str(answer), 200)


def _tell(settled: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(settled)
    else:
        say(f"{settled['id']}  {settled['status']}  {printable(settled['title'])}")
