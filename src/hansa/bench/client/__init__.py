"""The client outside the nodes: kept connections, the open-loop sender, the watcher of final blocks."""
