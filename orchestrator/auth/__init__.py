"""Who people and programs are, and what they may do. Shared by the API, the dashboard and the gateway."""
