"""How fast the site builds, beside other tools that build sites from notebooks."""
