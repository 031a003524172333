"""What people and programs may do: actions, chat commands, audit, notifications. Surfaces call it by its port."""
