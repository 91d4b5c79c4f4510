"""What every server of narrows shares: who is answered, answers in JSON, sockets, and how a server ends."""
