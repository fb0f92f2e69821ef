#!/bin/sh
# The last thing that is run in a guest before its disk becomes a base image: nothing of this one boot is to be in clones.
set -eu
mkdir -p /etc/cloud
touch /etc/cloud/cloud-init.disabled
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/log/cloud-init.log /var/log/cloud-init-output.log
rm -f /etc/ssh/ssh_host_* /opt/agent-swarm/prepared
if [ -d /etc/ssh/sshd_config.d ]; then
    printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n' > /etc/ssh/sshd_config.d/00-agent-swarm.conf
fi
if [ -d /etc/netplan ]; then # what cloud-init wrote names the network card of this boot
    rm -f /etc/netplan/*cloud-init*
    printf 'network:\n  version: 2\n  ethernets:\n    all:\n      match: {name: "e*"}\n      dhcp4: true\n      dhcp-identifier: mac\n' \
        > /etc/netplan/50-agent-swarm.yaml
    chmod 600 /etc/netplan/50-agent-swarm.yaml
fi
: > /etc/machine-id
[ ! -x /usr/bin/apt-get ] || apt-get clean
sync
