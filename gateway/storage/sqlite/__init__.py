"""Everything that only SQLite needs. One file, one writing process, write-ahead log, every commit synced."""
