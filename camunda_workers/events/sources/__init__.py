"""Where the log's records come from beside an engine in this process: a broker's exporter, a cluster's REST API, Elasticsearch."""
