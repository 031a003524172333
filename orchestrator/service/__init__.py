"""What people and agents may do: actions, chat commands, audit, notifications."""
