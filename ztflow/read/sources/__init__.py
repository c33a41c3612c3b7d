"""Where bytes come from: files, folders, archives, pipes, Loki."""
