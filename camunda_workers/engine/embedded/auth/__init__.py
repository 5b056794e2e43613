"""Who may talk to the engine: nobody is asked, names and passwords, or tokens of an OpenID Connect provider."""
