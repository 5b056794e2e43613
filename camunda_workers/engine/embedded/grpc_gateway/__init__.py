"""The gateway's gRPC face: Camunda's gateway protocol over the bridge."""
