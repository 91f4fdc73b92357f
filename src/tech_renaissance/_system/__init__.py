"""What the operating system gives, a file for each platform: files, locks, threads."""
