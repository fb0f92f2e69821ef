#!/bin/sh
# Makes a guest of ours out of a fresh Debian tree. Run by mmdebstrap in the middle of its work, while apt is still set up:
#   debian-root.sh ROOT AGENT KERNEL_FOLDER
set -eu
root=$1 agent=$2 kernel=$3

# The kernel is started from outside, so its package's own initrd is not wanted: unpacked, not installed.
chroot "$root" sh -eu -c '
    cd /tmp
    package=$(apt-cache depends "linux-image-cloud-$(dpkg --print-architecture)" | sed -n "s/.*Depends: \(linux-image-[^ ]*\)$/\1/p" | head -n 1)
    apt-get download "$package"
    dpkg-deb -x linux-image-*.deb kernel
    cp -a kernel/lib/modules /usr/lib/
    depmod "$(ls kernel/lib/modules)"'
cp "$root"/tmp/kernel/boot/vmlinuz-* "$kernel/vmlinuz"
rm -rf "$root"/tmp/*

install -m 755 "$agent" "$root/usr/local/sbin/agent-swarm-guest"
cat > "$root/etc/systemd/system/agent-swarm-guest.service" <<'UNIT'
[Unit]
Description=Agent Swarm guest agent
After=basic.target systemd-networkd.service

[Service]
ExecStart=/usr/local/sbin/agent-swarm-guest
Restart=always
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
UNIT
cat > "$root/etc/systemd/system/agent-swarm-grow.service" <<'UNIT'
[Unit]
Description=Fill the disk with the file system

[Service]
Type=oneshot
ExecStart=/sbin/resize2fs /dev/vda

[Install]
WantedBy=multi-user.target
UNIT

# The network is QEMU's own, which is the same in every guest.
cat > "$root/etc/systemd/network/50-agent-swarm.network" <<'UNIT'
[Match]
Name=en* eth*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
UNIT
echo 'nameserver 10.0.2.3' > "$root/etc/resolv.conf"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo '/dev/vda / ext4 defaults,discard 0 0' > "$root/etc/fstab"

# sshd has a key of its own once it starts, and takes no passwords.
rm -f "$root"/etc/ssh/ssh_host_*
printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n' > "$root/etc/ssh/sshd_config.d/agent-swarm.conf"
mkdir -p "$root/etc/systemd/system/ssh.service.d"
cat > "$root/etc/systemd/system/ssh.service.d/key.conf" <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -e /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -N "" -t ed25519 -f /etc/ssh/ssh_host_ed25519_key'
UNIT

chroot "$root" useradd --create-home --shell /bin/bash --groups sudo,adm worker
chroot "$root" install -d -o worker -g worker "$(chroot "$root" sh -c 'echo ~worker')/project"
echo 'worker ALL=(ALL) NOPASSWD:ALL' > "$root/etc/sudoers.d/worker"
chmod 440 "$root/etc/sudoers.d/worker"

# Each VM gets an identity when it is made; what a guest at rest has no use for does not start.
: > "$root/etc/machine-id"
rm -f "$root/etc/hostname"
chroot "$root" systemctl enable --quiet systemd-networkd agent-swarm-guest agent-swarm-grow ssh
chroot "$root" systemctl mask --quiet getty.target serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer \
    e2scrub_all.timer e2scrub_reap.service systemd-networkd-wait-online.service
