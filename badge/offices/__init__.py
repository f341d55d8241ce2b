"""Who serves all sessions: the board of tasks, the post, the reminders."""
