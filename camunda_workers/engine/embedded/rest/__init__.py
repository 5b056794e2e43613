"""The gateway's REST face: Camunda's Orchestration Cluster REST API v2 over the bridge and the read model."""
