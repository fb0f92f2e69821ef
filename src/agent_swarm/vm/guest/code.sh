#!/bin/sh
# Has the host of this session open its editor at a place here: code [PATH], the current folder where none is named.
# It writes one line into the session's pipe and waits for the answer in a pipe of its own, 30 s at most.

fail() {
    printf 'code: %s\n' "$*" >&2
    exit 1
}

case ${1-.} in
--) shift ;;
-*) fail 'it takes a path and no options, as in: code .' ;;
esac
[ $# -le 1 ] || fail 'it takes one path, as in: code .'
case ${1-.} in /*) ;; *) set -- "./${1-.}" ;; esac

if [ -d "$1" ]; then
    path=$(CDPATH='' cd -- "$1" && pwd) || exit 1
elif [ -e "$1" ]; then
    path=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd) || exit 1
    path=${path%/}/$(basename -- "$1")
else
    fail "there is no $1"
fi
case $1$path in *[[:cntrl:]]*) fail 'the path has control characters, which the host does not take' ;; esac

ask=${AGENT_SWARM_EDITOR:-}/ask
[ -n "${AGENT_SWARM_EDITOR:-}" ] && [ -p "$ask" ] ||
    fail 'the session on the host that it would ask is over, or there was none: agent-swarm ssh begins one'

own=$(mktemp -d /tmp/agent-swarm-code.XXXXXX) && mkfifo -m 600 "$own/answer" || exit 1
writer='' timer=''
trap 'kill $writer $timer 2>/dev/null; rm -rf "$own"' EXIT
trap 'exit 130' HUP INT TERM
exec 3<>"$own/answer" 4<>"$ask" # both ways: opening waits for nobody
printf '%s %s\n' "${own##*.}" "$path" >&4 2>/dev/null &
writer=$!
(
    trap 'kill $! 2>/dev/null; exit' TERM
    sleep 30 &
    wait
    echo 'no the host did not answer within 30 s' >&3
) >/dev/null 2>&1 4>&- &
timer=$!
read -r said why <&3
[ "$said" = yes ] || fail "$why"
