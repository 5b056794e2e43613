"""A small project as pyzeebe's users write them; it knows nothing of camunda-workers."""
