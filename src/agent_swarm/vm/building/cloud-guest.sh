#!/bin/sh
# Makes a guest of ours out of a distribution's cloud image: run once, by cloud-init, when a base image is built.
# What stands for the agent is replaced before: @AGENT@ by an archive in base64, @TOKEN@ by what is written at the end.
set -eu
failed() {
    echo "agent-swarm: the guest could not be prepared; what went wrong stands above" > /dev/console
    sync
    poweroff -f 2> /dev/null || poweroff
}
trap failed EXIT

work=/run/agent-swarm-build
mkdir -p $work
base64 -d << 'END' | tar -xz -C $work
@AGENT@
END
if [ ! -e $work/agent-swarm-guest ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --yes gcc libc6-dev
    cc -std=gnu11 -Os -static -s -o $work/agent-swarm-guest $work/*.c
fi
mkdir -p /usr/local/sbin /opt/agent-swarm
cp $work/agent-swarm-guest /usr/local/sbin/.agent-swarm-guest
chmod 755 /usr/local/sbin/.agent-swarm-guest
mv /usr/local/sbin/.agent-swarm-guest /usr/local/sbin/agent-swarm-guest

grep -q '^worker:' /etc/passwd || useradd --create-home --shell /bin/bash --groups sudo,adm worker
mkdir -p ~worker/project
chown worker ~worker/project
chgrp "$(id -g worker)" ~worker/project
if [ -d /etc/sudoers.d ]; then
    echo 'worker ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/worker
    chmod 440 /etc/sudoers.d/worker
fi

if [ -d /run/systemd/system ]; then
    cat > /etc/systemd/system/agent-swarm-guest.service << 'UNIT'
[Unit]
Description=Agent Swarm guest agent
After=basic.target

[Service]
ExecStart=/usr/local/sbin/agent-swarm-guest
Restart=always
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
UNIT
    cat > /etc/systemd/system/agent-swarm-grow.service << 'UNIT'
[Unit]
Description=Fill the disk with the file system

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'growpart /dev/vda 1; resize2fs "$(findmnt -n -o SOURCE /)" || true'

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable --quiet agent-swarm-grow
    systemctl enable --quiet --now agent-swarm-guest
    systemctl restart agent-swarm-guest
fi
echo @TOKEN@ > /opt/agent-swarm/prepared
trap - EXIT
