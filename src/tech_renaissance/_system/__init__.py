"""What the operating system provides: files, locks, threads. Each platform has files of its own."""
