"""The four other pipelines, each as its users write it."""
