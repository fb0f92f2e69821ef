"""The engine: QEMU itself, spoken to over QMP; no libvirt, no root, no daemon of ours."""
