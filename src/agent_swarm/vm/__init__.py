"""A copy-on-write VM per task: registry, images, overlays, checkpoints; QEMU on every host system; a guest agent."""
