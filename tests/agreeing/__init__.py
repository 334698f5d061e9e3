"""The engines against each other and against the definition, as fast as they will go."""
