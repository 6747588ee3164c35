"""The database's schema: numbered steps, each applied once, in order. C{PRAGMA user_version} tells the last one."""
