"""What only a GPU can show: graphs, streams, memory, whole layers."""
