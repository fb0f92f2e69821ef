"""Makes base images on this machine: a Debian of its packages, with the guest agent in it."""
