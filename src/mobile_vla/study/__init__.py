"""Cases, studies, profiles and questions: strict models of the YAML."""
