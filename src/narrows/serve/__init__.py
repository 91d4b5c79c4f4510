"""`narrows serve`: models of runs over HTTP, by the Open Inference Protocol and for people with curl."""
