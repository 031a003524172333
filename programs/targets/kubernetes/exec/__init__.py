"""People's commands in the pods of an environment: where they run, and the process that passes their streams on."""
