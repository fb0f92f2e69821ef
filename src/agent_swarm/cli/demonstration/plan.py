"""What the demo's agents do: the scripts of the tasks, and the one planning task that files them.

The agents are the harness `script`: real processes that follow these lines, no model needed.
"""

import json
import shlex
import sys
from typing import Any

PROJECT = "textkit"
SCRIPT = "script"
DESIGN, SLUGIFY, COUNT, README, TESTS, MERGE = "design", "slugify", "count", "readme", "tests", "merge"
IMPLEMENTATIONS = (SLUGIFY, COUNT)
FAILS_ONCE = README
WAITS_FOR = {
    DESIGN: (),
    SLUGIFY: (DESIGN,),
    COUNT: (DESIGN,),
    README: (DESIGN,),
    TESTS: (SLUGIFY, COUNT),
    MERGE: (TESTS, README),
}
TITLES = {
    DESIGN: "Write the design note",
    SLUGIFY: "Implement slugify",
    COUNT: "Implement count_words",
    README: "Document both functions",
    TESTS: "Run all unit tests",
    MERGE: "Merge everything and write the changelog",
}
PYTHON = f"{shlex.quote(sys.executable)} -B"
MEET_SECONDS = 20


def planning_task(lead_id: str, coder: str = SCRIPT) -> dict[str, Any]:
    """The one task that a person files, for the lead."""
    return {
        "title": "Plan: build textkit",
        "prompt": _plan(coder),
        "harness": SCRIPT,
        "agentId": lead_id,
        "project": PROJECT,
        "priority": "high",
    }


def graph(coder: str = SCRIPT) -> list[dict[str, Any]]:
    """The tasks that the lead files, as one batch. Implementations come first when workers are scarce.

    `coder` is the harness that writes the two functions; the other tasks follow scripts.
    """
    return [
        {
            "ref": ref,
            "title": TITLES[ref],
            "prompt": SCRIPTS[ref] if coder == SCRIPT or ref not in PROMPTS else PROMPTS[ref],
            "harness": coder if ref in PROMPTS else SCRIPT,
            "project": PROJECT,
            "priority": "high" if ref in IMPLEMENTATIONS else "medium",
            "dependsOn": list(upstreams),
        }
        for ref, upstreams in WAITS_FOR.items()
    ]


_BRANCH_OF_MERGE = (
    "import json; tasks = json.load(open('came.json')); "
    f"print(next(task['branch'] for task in tasks if task['title'] == '{TITLES[MERGE]}'))"
)


def _plan(coder: str) -> str:
    return f"""\
progress Reading the repository
run ls textkit tests
try run {PYTHON} -m unittest discover
say Two functions are missing, and nothing ties them together: two workers can write them side by side.
progress Filing {len(WAITS_FOR)} tasks
create-tasks <<TASKS
{json.dumps(graph(coder), indent=1)}
TASKS
say Filed {len(WAITS_FOR)} tasks: a note, two implementations side by side, documentation, tests, merge
progress 50% Waiting for all of them, without a slot
wait-tasks into came.json
progress 90% Taking over the merged work
run <<INTEGRATE
branch=$({PYTHON} -c "{_BRANCH_OF_MERGE}")
rm came.json
git merge --quiet --ff-only "origin/$branch"
{PYTHON} -m unittest discover
INTEGRATE
result textkit is built: {len(WAITS_FOR)} tasks done, their work on one branch, all unit tests pass
"""


def _meet(me: str, other: str) -> str:
    """Go on once the other one runs too: proof that both run at the same time, whatever the machine's speed."""
    return f"""\
run <<WAIT
cd "$AGENT_SWARM_SHARED_DIR/misc"
touch "$AGENT_SWARM_AGENT_ID/{me}"
end=$(( $(date +%s) + {MEET_SECONDS} ))
until ls */{other} >/dev/null 2>&1; do
  [ "$(date +%s)" -lt "$end" ] || {{ echo "nobody works on {other}"; exit 1; }}
  sleep 0.05
done
WAIT
"""


def _ask(function: str, module: str, tests: str) -> str:
    return f"""\
Implement the function `{function}` in textkit/{module}.py, as docs/design.md describes it. The tests in
tests/{tests}.py must pass: run `{PYTHON} -m unittest tests.{tests}`. Change no other file, and use nothing but the
standard library. Commit your work, then say in one sentence what you did.
"""


PROMPTS = {  # for an agent with a model
    SLUGIFY: _ask("slugify", "slugs", "test_slugs"),
    COUNT: _ask("count_words", "words", "test_words"),
}
ALLOWED_TOOLS = f"Bash({PYTHON} -m unittest *),Bash(git add *),Bash(git commit *),Bash(git status *),Bash(git diff *)"

SCRIPTS = {
    DESIGN: """\
progress 10% Reading the tests
run cat tests/test_slugs.py tests/test_words.py
sleep 0.3
progress 60% Writing the note
write docs/design.md <<END
# Design

`slugify` and `count_words` share no state and no code: each lives in a file of its own and can be written alone.

- `slugify(text)`: Unicode decomposed, accents dropped, everything but letters and digits becomes one hyphen.
- `count_words(text)`: words are runs of letters, compared in lower case.
END
commit Describe the two functions
usage input=1850 output=420 cost=0.011
result docs/design.md: two functions, no shared state
""",
    SLUGIFY: f"""\
progress 10% Waiting for the colleague on count_words
{_meet(SLUGIFY, COUNT)}
message all I write textkit/slugs.py; who writes textkit/words.py?
wait-message {MEET_SECONDS}
progress 40% Writing textkit/slugs.py
sleep 0.4
write textkit/slugs.py <<END
\"\"\"Text as part of a URL.\"\"\"

import re
import unicodedata


def slugify(text: str) -> str:
    \"\"\"`text` in lower case, without accents, its words joined by hyphens.\"\"\"
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
END
progress 80% Running its tests
run {PYTHON} -m unittest tests.test_slugs
commit Implement slugify
usage input=2400 output=610 cost=0.016
result slugify passes its 3 tests
""",
    COUNT: f"""\
progress 10% Waiting for the colleague on slugify
{_meet(COUNT, SLUGIFY)}
wait-message {MEET_SECONDS}
message - I do. It shares no code with yours.
progress 40% Writing textkit/words.py
sleep 0.6
write textkit/words.py <<END
\"\"\"Words of a text.\"\"\"

import re
from collections import Counter


def count_words(text: str) -> dict[str, int]:
    \"\"\"How often each word occurs, in lower case.\"\"\"
    return dict(Counter(re.findall(r"[^\\W\\d_]+", text.lower())))
END
progress 80% Running its tests
run {PYTHON} -m unittest tests.test_words
commit Implement count_words
usage input=2100 output=530 cost=0.014
result count_words passes its 2 tests
""",
    README: """\
progress 20% Looking up how others document theirs
sleep 0.2
fail-until-attempt 2 the documentation site did not answer
progress 70% Writing the README
append README.md <<END

```python
slugify("Crème Brûlée")            # creme-brulee
count_words("one fish, two Fish")  # {"one": 1, "fish": 2, "two": 1}
```
END
commit Document both functions
usage input=900 output=260 cost=0.006
result README.md shows both functions
""",
    TESTS: f"""\
progress 30% Running all unit tests on the merged work
run {PYTHON} -m unittest discover -v
result all 5 unit tests pass on the merged work
""",
    MERGE: f"""\
progress 30% Everything is merged; checking it once more
run {PYTHON} -m unittest discover
write CHANGELOG.md <<END
# Changelog

## 1.0

- `slugify` makes URL parts, `count_words` counts words.
- The README shows how to use them, `docs/design.md` why they are as they are.
END
commit Release 1.0
usage input=1300 output=180 cost=0.007
result textkit 1.0: one branch with everything, all unit tests pass
""",
}
