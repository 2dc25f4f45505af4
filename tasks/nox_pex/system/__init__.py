"""The operating system: files, locks, commands, Git, secrets."""
