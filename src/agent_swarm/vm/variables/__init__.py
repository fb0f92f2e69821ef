"""Variables for commands in VMs: encrypted in the registry, their key in the keyring or a file, open nowhere else."""
