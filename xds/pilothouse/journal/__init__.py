"""What has happened: kept in memory for a while, and with a state folder on the disk for days."""
