"""What the repository wrote: reads its compose files with Docker Compose in a sandbox, judges them by an allowlist, and
writes the project that the engine runs."""
