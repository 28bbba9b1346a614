"""Running a build: units of work, the processes that do them, and what survives a stop."""
